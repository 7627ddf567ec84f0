import { expect, test } from "vitest";
import type { Images } from "../types";
import { difference, meanChange, subset } from "./compare";

const images = (...rgba: number[]): Images => ({ count: rgba.length / 4, width: 1, height: 1, rgba: Uint8ClampedArray.from(rgba) });

test("the mean change ignores opacity and is 1 from black to white", () => {
  expect(meanChange(images(0, 0, 0, 255, 255, 255, 255, 255))).toBe(1);
  expect(meanChange(images(9, 9, 9, 0, 9, 9, 9, 255))).toBe(0);
});

test("a difference is grey where nothing changed, and signed", () => {
  const result = difference(images(10, 100, 50, 255), images(10, 150, 0, 255));
  expect([Array.from(result.images.rgba), result.gain]).toEqual([[128, 228, 28, 255], 2]);
});

test("a small difference is enlarged at most eight times, and a large one is not cut", () => {
  const small = difference(images(10, 100, 50, 255), images(11, 100, 49, 255));
  expect([Array.from(small.images.rgba), small.gain]).toEqual([[136, 128, 120, 255], 8]);
  const large = difference(images(0, 200, 50, 255), images(127, 100, 50, 255));
  expect([Array.from(large.images.rgba), large.gain]).toEqual([[255, 28, 128, 255], 1]);
});

test("a subset has its own count", () => {
  const result = subset(images(1, 1, 1, 255, 2, 2, 2, 255, 3, 3, 3, 255), 1, 2);
  expect([result.count, result.rgba[0], result.rgba[4]]).toEqual([2, 2, 3]);
});
