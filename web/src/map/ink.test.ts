import { expect, it } from "vitest";

import { boxOf } from "./camera";
import { clusters } from "../../test/points";
import { filledArea, inkOf } from "./ink";

it("points get smaller and more transparent with their number, and grow with their spacing", () => {
  const area = 900 * 600;
  const some = [50, 2e3, 2e4, 1e5, 1e6].map((count) => inkOf(count, area));
  for (let i = 1; i < some.length; i++) {
    expect(some[i].diameter).toBeLessThanOrEqual(some[i - 1].diameter);
    expect(some[i].alpha).toBeLessThanOrEqual(some[i - 1].alpha);
  }
  expect(inkOf(2e4, area * 64).diameter).toBeGreaterThan(inkOf(2e4, area).diameter);
  expect(inkOf(0, area).diameter).toBeLessThan(20);
});

it("the filled area is the box for uniform points, and small for clusters", () => {
  const even = Float32Array.from({ length: 20000 }, (_, i) => (i % 2 ? Math.floor(i / 2) % 100 : Math.floor(i / 200)));
  expect(filledArea(even, boxOf(even)) / 99 ** 2).toBeGreaterThan(0.9);
  const { positions } = clusters(5000, 3);
  const [left, bottom, right, top] = boxOf(positions);
  expect(filledArea(positions, [left, bottom, right, top])).toBeLessThan(0.4 * (right - left) * (top - bottom));
  expect(filledArea(Float32Array.of(NaN, NaN), [0, 0, 2, 2])).toBe(4);
});
