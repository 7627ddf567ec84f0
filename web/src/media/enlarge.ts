/** Enlarging small images by whole pixels. */

import type { Images } from "../types";

/** The pixels of one image; they share memory with the others. */
export function pixels(images: Images, index: number): Uint8ClampedArray<ArrayBuffer> {
  const size = images.width * images.height * 4;
  return images.rgba.subarray(index * size, (index + 1) * size);
}

/** One image as canvas pixels. */
export function imageData(images: Images, index = 0): ImageData {
  return new ImageData(pixels(images, index), images.width, images.height);
}

/** Set a canvas to one image. */
export function paint(canvas: HTMLCanvasElement, images: Images, index = 0): HTMLCanvasElement {
  if (canvas.width !== images.width) canvas.width = images.width;
  if (canvas.height !== images.height) canvas.height = images.height;
  canvas.getContext("2d")!.putImageData(imageData(images, index), 0, 0);
  return canvas;
}

/** The images as they look on paper, each with its own opacity. */
export function faded(images: Images, opacities: readonly number[], paper: string): Images {
  const ground = [1, 3, 5].map((at) => parseInt(paper.slice(at, at + 2), 16));
  const size = images.width * images.height * 4;
  const rgba = images.rgba.map((value, i) => {
    const alpha = opacities[Math.floor(i / size)];
    return i % 4 === 3 || alpha === 1 ? value : Math.round(alpha * value + (1 - alpha) * ground[i % 4]);
  });
  return { ...images, rgba };
}

/** The integer factor that makes the longer side at least `least` pixels. */
export function wholeFactor(images: Images, least: number): number {
  return Math.max(Math.ceil(least / Math.max(images.width, images.height)), 1);
}

/** Every pixel of one image as a square; with `even`, the last column and row are repeated to an even size. */
export function enlarged(images: Images, index: number, factor: number, even = false): Images {
  const side = (length: number) => length * factor + (even ? (length * factor) % 2 : 0);
  const [width, height] = [side(images.width), side(images.height)];
  const from = words(pixels(images, index));
  const to = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.min(Math.floor(y / factor), images.height - 1) * images.width;
    for (let x = 0; x < width; x++) {
      to[y * width + x] = from[row + Math.min(Math.floor(x / factor), images.width - 1)];
    }
  }
  return { count: 1, width, height, rgba: new Uint8ClampedArray(to.buffer) };
}

/** Values, one per pixel, enlarged by a factor. */
export function repeated(values: Uint8Array, width: number, factor: number): Uint8Array {
  if (factor === 1) return values;
  const rowWidth = width * factor;
  return Uint8Array.from({ length: values.length * factor * factor }, (_, i) => {
    const [x, y] = [i % rowWidth, Math.floor(i / rowWidth)];
    return values[Math.floor(y / factor) * width + Math.floor(x / factor)];
  });
}

/** Whether red, green and blue are equal in every pixel. */
export function isGrey({ rgba }: Images): boolean {
  for (let i = 0; i < rgba.length; i += 4) {
    if (rgba[i] !== rgba[i + 1] || rgba[i] !== rgba[i + 2]) return false;
  }
  return true;
}

function words(rgba: Uint8ClampedArray): Uint32Array {
  return new Uint32Array(rgba.slice().buffer);
}
