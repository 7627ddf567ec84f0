/** Conversion between image tensors (n, c, h, w) and RGBA pixels. */

import type { Images } from "../types";

export type Shape = readonly [n: number, c: number, h: number, w: number];

/** RGBA pixels of values from 0 to `white`, rounded to bytes; one channel becomes grey. */
export function toImages(values: ArrayLike<number>, shape: Shape, white: 1 | 255): Images {
  const [count, channels, height, width] = shape;
  const area = height * width;
  const rgba = new Uint8ClampedArray(count * area * 4);
  const by = 255 / white;
  const [green, blue] = channels === 3 ? [area, 2 * area] : [0, 0];
  for (let image = 0, to = 0; image < count; image++) {
    const start = image * channels * area;
    for (let i = start; i < start + area; i++, to += 4) {
      rgba[to] = values[i] * by;
      rgba[to + 1] = values[i + green] * by;
      rgba[to + 2] = values[i + blue] * by;
      rgba[to + 3] = 255;
    }
  }
  return { count, width, height, rgba };
}

/** Bytes (n, c, h, w) of RGBA pixels; one channel is the luminance. */
export function toBytes(images: Images, channels: number): Uint8Array<ArrayBuffer> {
  const { count, width, height, rgba } = images;
  const area = width * height;
  const bytes = new Uint8ClampedArray(count * channels * area);
  for (let image = 0; image < count; image++) {
    for (let i = 0; i < area; i++) {
      const from = (image * area + i) * 4;
      const to = image * channels * area + i;
      if (channels === 1) bytes[to] = luminance(rgba[from], rgba[from + 1], rgba[from + 2]);
      else for (let c = 0; c < channels; c++) bytes[to + c * area] = rgba[from + c];
    }
  }
  return new Uint8Array(bytes.buffer);
}

/** The same in [0, 1]. */
export function toFloats(images: Images, channels: number): Float32Array {
  return Float32Array.from(toBytes(images, channels), (byte) => byte / 255);
}

function luminance(red: number, green: number, blue: number): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}
