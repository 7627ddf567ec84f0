/** Images in a row, as one PNG. */

import type { Images } from "../types";
import { imageData, wholeFactor } from "./enlarge";

const GAP = 6; // pixels
const MIN_SIDE = 128; // of the longer side of an image, in pixels

export async function strip(images: Images, paper: string): Promise<Blob> {
  const factor = wholeFactor(images, MIN_SIDE);
  const [width, height] = [images.width * factor, images.height * factor];
  const canvas = new OffscreenCanvas(GAP + images.count * (width + GAP), height + 2 * GAP);
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  const tile = new OffscreenCanvas(images.width, images.height);
  for (let i = 0; i < images.count; i++) {
    tile.getContext("2d")!.putImageData(imageData(images, i), 0, 0);
    pen.drawImage(tile, GAP + i * (width + GAP), GAP, width, height);
  }
  return canvas.convertToBlob({ type: "image/png" });
}
