/** The frames of a film: the decoded image, with the map, the position on it and a title beside it. */

import type { Images } from "../types";
import { imageData, pixels, wholeFactor, enlarged } from "./enlarge";

/** Frames that are drawn one at a time, because all of them would not fit into memory. */
export interface Frames {
  count: number;
  width: number;
  height: number;
  frame(index: number): Uint8ClampedArray<ArrayBuffer>; // RGBA
}

export const SHAPES = ["square", "landscape", "portrait"] as const;
export type Shape = (typeof SHAPES)[number];

/** The map of a film: an image, and where the film is on it at each frame, in pixels of the image. */
export interface Inset {
  map: HTMLCanvasElement;
  path: [number, number][];
}

export interface SceneOptions {
  side: number; // shorter side, pixels
  shape: Shape;
  inset: Inset | null;
  title: string; // empty for none
  paper: string;
  ink: string;
  accent: string; // of the path
}

interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** Frames of this size and shape; small images are enlarged without smoothing. */
export function scene(images: Images, options: SceneOptions): Frames {
  const { side, shape, inset, title, paper, ink } = options;
  const longer = 2 * Math.round((side * 8) / 9);
  const [width, height] = shape === "square" ? [side, side] : shape === "landscape" ? [longer, side] : [side, longer];
  const places = layout(width, height, shape, inset !== null, title !== "");
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  const tile = new OffscreenCanvas(images.width, images.height);
  const frame = (index: number) => {
    pen.fillStyle = paper;
    pen.fillRect(0, 0, width, height);
    tile.getContext("2d")!.putImageData(imageData(images, index), 0, 0);
    const image = inside(places.image, images.width, images.height);
    pen.imageSmoothingEnabled = image.w < 2 * images.width;
    pen.drawImage(tile, image.x, image.y, image.w, image.h);
    if (inset && places.map) drawInset(pen, inset, places.map, index, options);
    if (title) {
      pen.fillStyle = ink;
      pen.font = `${Math.round(side / 28)}px system-ui, sans-serif`;
      pen.textBaseline = "middle";
      pen.fillText(title, side / 30, height - side / 24, width - side / 15);
    }
    return pen.getImageData(0, 0, width, height).data as Uint8ClampedArray<ArrayBuffer>;
  };
  return { count: images.count, width, height, frame };
}

/** The images of a film without a scene: every pixel as a square, at even sides for a film. */
export function plainFrames(images: Images, least: number, even: boolean): Frames {
  const factor = wholeFactor(images, least);
  const { width, height } = enlarged(images, 0, factor, even);
  return { count: images.count, width, height, frame: (index) => pixels(enlarged(images, index, factor, even), 0) };
}

/** Where the image and the map are: side by side, one above the other, or the map in the corner of a square. */
export function layout(width: number, height: number, shape: Shape, map: boolean, title: boolean): { image: Rect; map: Rect | null } {
  const bottom = title ? Math.min(width, height) / 12 : 0;
  const all = { x: 0, y: 0, w: width, h: height - bottom };
  if (!map) return { image: all, map: null };
  if (shape === "landscape") return { image: { ...all, w: height }, map: { x: height, y: 0, w: width - height, h: all.h } };
  if (shape === "portrait") return { image: { ...all, h: width }, map: { x: 0, y: width, w: width, h: all.h - width } };
  const side = Math.round(width * 0.3);
  const margin = Math.round(width / 40);
  return { image: all, map: { x: width - side - margin, y: all.h - side - margin, w: side, h: side } };
}

/** The largest rectangle of this aspect in the middle of another. */
export function inside({ x, y, w, h }: Rect, width: number, height: number): Rect {
  const scale = Math.min(w / width, h / height);
  return { x: x + (w - width * scale) / 2, y: y + (h - height * scale) / 2, w: width * scale, h: height * scale };
}

type Pen = OffscreenCanvasRenderingContext2D;

function drawInset(pen: Pen, { map, path }: Inset, place: Rect, index: number, { paper, accent, side, ink }: SceneOptions) {
  const box = inside(place, map.width, map.height);
  const at = ([x, y]: [number, number]): [number, number] => [box.x + (x * box.w) / map.width, box.y + (y * box.h) / map.height];
  pen.save();
  pen.fillStyle = paper;
  pen.fillRect(box.x, box.y, box.w, box.h);
  pen.imageSmoothingEnabled = true;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(map, box.x, box.y, box.w, box.h);
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.25;
  pen.strokeRect(box.x, box.y, box.w, box.h);
  pen.globalAlpha = 1;
  pen.beginPath();
  pen.rect(box.x, box.y, box.w, box.h);
  pen.clip();
  const line = path.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)).map(at);
  pen.lineJoin = "round";
  for (const [style, width] of [[paper, 5], [accent, 2.5]] as const) {
    pen.strokeStyle = style;
    pen.lineWidth = (width * side) / 540;
    pen.beginPath();
    line.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
  }
  const [x, y] = at(path[index]);
  for (const [style, radius] of [[paper, 9], [accent, 6.5]] as const) {
    pen.fillStyle = style;
    pen.beginPath();
    pen.arc(x, y, (radius * side) / 540, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.restore();
}
