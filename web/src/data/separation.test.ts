import { expect, test } from "vitest";

import { separation } from "./separation";

const positions = Float32Array.from([0, 0, 0, 2, 10, 0, 10, 2]);

test("a column that separates the positions explains most of their variance", () => {
  expect(separation([0, 0, 1, 1], positions)).toBeCloseTo(100 / 104);
});

test("a column independent of the positions explains almost nothing", () => {
  expect(separation([0, 1, 0, 1], positions)).toBeCloseTo(4 / 104);
  expect(separation([3, 3, 3, 3], positions)).toBe(0);
});

test("equal positions have no variance to explain", () => {
  expect(separation([0, 1], new Float32Array(4))).toBe(0);
  expect(separation([], new Float32Array())).toBe(0);
});
