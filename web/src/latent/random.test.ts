import { expect, test } from "vitest";
import { draw, normals, uniform } from "./random";
import { norm } from "./vectors";

const flat = { dim: 2, middle: [5, -5], deviation: [1, 3] };

test("the same seed gives the same numbers, another gives others", () => {
  expect(normals(9, uniform(7))).toEqual(normals(9, uniform(7)));
  expect(normals(9, uniform(7))).not.toEqual(normals(9, uniform(8)));
});

test("normal values have mean 0, deviation 1 and the right tails", () => {
  const values = normals(40_001, uniform(0));
  expect(Math.abs(meanOf(values))).toBeLessThan(0.02);
  expect(deviationOf(values)).toBeCloseTo(1, 1);
  expect(values.filter((value) => Math.abs(value) > 1.96).length / values.length).toBeCloseTo(0.05, 2);
});

test("a normal prior is scaled by its temperature", () => {
  const z = draw({ ...flat, prior: "normal" }, 4000, { seed: 1, temperature: 0.5 });
  expect(deviationOf(z)).toBeCloseTo(0.5, 1);
});

test("points of a sphere are on it", () => {
  const z = draw({ ...flat, dim: 5, prior: "sphere" }, 3, { seed: 1 });
  for (let i = 0; i < 3; i++) expect(norm(z.slice(5 * i, 5 * i + 5))).toBeCloseTo(1, 5);
});

test("without a prior, samples have the codes' middle and the deviation of each axis", () => {
  const z = draw({ ...flat, prior: "none" }, 4000, { seed: 1 });
  expect(meanOf(column(z, 0))).toBeCloseTo(5, 1);
  expect(deviationOf(column(z, 1)) / 3).toBeCloseTo(1, 1);
});

test("where the codes are at hand, samples have their covariance too", () => {
  const along = normals(500, uniform(2));
  const codes = Float32Array.from({ length: 1000 }, (_, i) => 5 - 10 * (i % 2) + along[i >> 1]);
  const z = draw({ ...flat, prior: "none" }, 2000, { seed: 1, codes });
  const apart = column(z, 0).map((value, i) => value - column(z, 1)[i]);
  expect(deviationOf(column(z, 0))).toBeCloseTo(deviationOf(along), 1);
  expect(deviationOf(apart)).toBeLessThan(1e-3);
});

function column(z: Float32Array, axis: number): Float32Array {
  return z.filter((_, i) => i % 2 === axis);
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviationOf(values: Float32Array): number {
  const middle = meanOf(values);
  return Math.sqrt(meanOf(values.map((value) => (value - middle) ** 2)));
}
