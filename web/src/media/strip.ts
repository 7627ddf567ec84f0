/** Images in a row, as one PNG. */

import type { Images } from "../types";
import { pixels, wholeFactor } from "./enlarge";

export interface StripOptions {
  paper: "light" | "dark";
  captions?: string[]; // one below each image
  across?: number; // images per row; all in one row by default
  least?: number; // smallest longer side of an image in pixels
}

const PAPERS = { light: { paper: "#ffffff", ink: "#333333" }, dark: { paper: "#15171a", ink: "#d5d7da" } };
const GAP = 6;
const LINE = 22; // height of a caption in pixels

export async function strip(images: Images, options: StripOptions): Promise<Blob> {
  const { captions, across = images.count, least = 128 } = options;
  const factor = wholeFactor(images, least);
  const [wide, high] = [images.width * factor, images.height * factor];
  const line = captions ? LINE : 0;
  const rows = Math.ceil(images.count / across);
  const canvas = new OffscreenCanvas(
    GAP + Math.min(across, images.count) * (wide + GAP),
    GAP + rows * (high + line + GAP),
  );
  const pen = canvas.getContext("2d")!;
  const { paper, ink } = PAPERS[options.paper];
  pen.fillStyle = paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  pen.fillStyle = ink;
  pen.font = "13px system-ui, sans-serif";
  pen.textAlign = "center";
  const tile = new OffscreenCanvas(images.width, images.height);
  for (let i = 0; i < images.count; i++) {
    const x = GAP + (i % across) * (wide + GAP);
    const y = GAP + Math.floor(i / across) * (high + line + GAP);
    const image = new ImageData(pixels(images, i), images.width, images.height);
    tile.getContext("2d")!.putImageData(image, 0, 0);
    pen.drawImage(tile, x, y, wide, high);
    if (captions?.[i]) pen.fillText(captions[i], x + wide / 2, y + high + LINE - 7, wide);
  }
  return canvas.convertToBlob({ type: "image/png" });
}
