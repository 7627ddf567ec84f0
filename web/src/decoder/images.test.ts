import { expect, test } from "vitest";
import { toBytes, toFloats, toImages } from "./images";

test("values are rounded and clipped to bytes", () => {
  const values = Float32Array.of(-1, 0, 0.5, 1, 2, NaN, 0.25, 0.999);
  const { rgba, count, width, height } = toImages(values, [2, 1, 2, 2], 1);
  expect([count, width, height]).toEqual([2, 2, 2]);
  const grey = Array.from(rgba).filter((_, i) => i % 4 === 0);
  expect(grey).toEqual([0, 0, 128, 255, 255, 0, 64, 255]);
  expect(Array.from(rgba.slice(8, 12))).toEqual([128, 128, 128, 255]);
});

test("three channels become the colours of each pixel", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const { rgba } = toImages(bytes, [1, 3, 1, 2], 255);
  expect(Array.from(rgba)).toEqual([1, 3, 5, 255, 2, 4, 6, 255]);
});

test("RGBA pixels become the same bytes again", () => {
  const bytes = Uint8Array.from({ length: 2 * 3 * 4 * 5 }, (_, i) => (i * 7) % 256);
  expect(toBytes(toImages(bytes, [2, 3, 4, 5], 255), 3)).toEqual(bytes);
});

test("one channel is the luminance", () => {
  const red = toImages(Uint8Array.of(255, 0, 0), [1, 3, 1, 1], 255);
  expect(toFloats(red, 1)[0]).toBeCloseTo(76 / 255);
});
