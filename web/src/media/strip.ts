/** Images in a row, as item PNG. */

import type { Pictures } from "../types";
import { pixels, wholeFactor } from "./enlarge";

export interface StripOptions {
  paper: "light" | "dark";
  captions?: string[]; // one below each image
  across?: number; // images per row; all in one row by default
  least?: number; // smallest longer side of an image in pixels
}

const PAPERS = {
  light: { paper: "#ffffff", ink: "#333333" },
  dark: { paper: "#15171a", ink: "#d5d7da" },
};
const GAP = 6;
const LINE = 22; // height of a caption in pixels

export async function strip(pictures: Pictures, options: StripOptions): Promise<Blob> {
  const { captions, across = pictures.count, least = 128 } = options;
  const factor = wholeFactor(pictures, least);
  const [wide, high] = [pictures.width * factor, pictures.height * factor];
  const line = captions ? LINE : 0;
  const rows = Math.ceil(pictures.count / across);
  const canvas = new OffscreenCanvas(
    GAP + Math.min(across, pictures.count) * (wide + GAP),
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
  const tile = new OffscreenCanvas(pictures.width, pictures.height);
  for (let i = 0; i < pictures.count; i++) {
    const x = GAP + (i % across) * (wide + GAP);
    const y = GAP + Math.floor(i / across) * (high + line + GAP);
    const image = new ImageData(pixels(pictures, i), pictures.width, pictures.height);
    tile.getContext("2d")!.putImageData(image, 0, 0);
    pen.drawImage(tile, x, y, wide, high);
    if (captions?.[i]) pen.fillText(captions[i], x + wide / 2, y + high + LINE - 7, wide);
  }
  return canvas.convertToBlob({ type: "image/png" });
}
