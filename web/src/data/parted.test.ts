import { expect, test } from "vitest";

import { parted } from "./parted";

const places = Float32Array.from([0, 0, 0, 2, 10, 0, 10, 2]);

test("a column that parts the places tells most of their spread", () => {
  expect(parted([0, 0, 1, 1], places)).toBeCloseTo(100 / 104);
});

test("one that is the same on both sides tells next to nothing of it", () => {
  expect(parted([0, 1, 0, 1], places)).toBeCloseTo(4 / 104);
  expect(parted([3, 3, 3, 3], places)).toBe(0);
});

test("places that are all one have no spread to tell of", () => {
  expect(parted([0, 1], new Float32Array(4))).toBe(0);
  expect(parted([], new Float32Array())).toBe(0);
});
