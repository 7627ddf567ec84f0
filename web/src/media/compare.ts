/** Comparing images. */

import type { Images } from "../types";

const MAX_GAIN = 8; // of a difference, so that small changes are visible

/** `count` of the images from `first` on; they share memory with the others. */
export function subset(images: Images, first: number, count: number): Images {
  const size = images.width * images.height * 4;
  return { ...images, count, rgba: images.rgba.subarray(first * size, (first + count) * size) };
}

/** The mean absolute change of the colours from the first image to the second, from 0 to 1. */
export function meanChange({ rgba }: Images): number {
  const half = rgba.length / 2;
  let sum = 0;
  for (let i = 0; i < half; i++) if (i % 4 < 3) sum += Math.abs(rgba[half + i] - rgba[i]);
  return sum / (255 * 0.75 * half);
}

/** Where an image changed: grey where it is the same, lighter where a colour increased, darker where it decreased. */
export function difference(before: Images, after: Images): { images: Images; gain: number } {
  const changes = Array.from(after.rgba, (value, i) => (i % 4 < 3 ? value - before.rgba[i] : 0));
  const largest = changes.reduce((most, change) => Math.max(most, Math.abs(change)), 1);
  const gain = Math.min(Math.max(Math.floor(127 / largest), 1), MAX_GAIN);
  const rgba = after.rgba.slice();
  for (let i = 0; i < rgba.length; i++) if (i % 4 < 3) rgba[i] = 128 + gain * changes[i];
  return { images: { ...after, rgba }, gain };
}
