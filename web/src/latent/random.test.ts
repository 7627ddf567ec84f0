import { expect, test } from "vitest";
import golden from "../../test/fixtures/random.json";
import { expectClose } from "../../test/close";
import { draw, normals, uniform } from "./random";
import { norm } from "./vectors";

const flat = { dim: 2, mean: [5, -5], std: [1, 3] };

test.each(golden)("the numbers of seed $seed and stream $stream equal Python's", ({ seed, stream, ...numbers }) => {
  const random = uniform(seed, stream);
  expect(Array.from({ length: 9 }, random).map((value) => Number(value.toPrecision(8)))).toEqual(numbers.uniform);
  expectClose(normals(9, uniform(seed, stream)), numbers.normal, 1e-7);
});

test("a seed determines the numbers", () => {
  expect(normals(9, uniform(7))).toEqual(normals(9, uniform(7)));
  expect(normals(9, uniform(7))).not.toEqual(normals(9, uniform(8)));
});

test("normal values have mean 0, std 1 and the right tails", () => {
  const values = normals(40_001, uniform(0));
  expect(Math.abs(meanOf(values))).toBeLessThan(0.02);
  expect(stdOf(values)).toBeCloseTo(1, 1);
  expect(values.filter((value) => Math.abs(value) > 1.96).length / values.length).toBeCloseTo(0.05, 2);
});

test("a normal prior is scaled by its temperature", () => {
  const z = draw({ ...flat, prior: "normal" }, 4000, { seed: 1, temperature: 0.5 });
  expect(stdOf(z)).toBeCloseTo(0.5, 1);
});

test("samples of the sphere have norm 1", () => {
  const z = draw({ ...flat, dim: 5, prior: "sphere" }, 3, { seed: 1 });
  for (let i = 0; i < 3; i++) expect(norm(z.slice(5 * i, 5 * i + 5))).toBeCloseTo(1, 5);
});

test("without a prior, samples have the mean of the latents and the std of each dimension", () => {
  const z = draw({ ...flat, prior: "none" }, 4000, { seed: 1 });
  expect(meanOf(column(z, 0))).toBeCloseTo(5, 1);
  expect(stdOf(column(z, 1)) / 3).toBeCloseTo(1, 1);
});

test("with latents, samples have their covariance", () => {
  const along = normals(500, uniform(2));
  const latents = Float32Array.from({ length: 1000 }, (_, i) => 5 - 10 * (i % 2) + along[i >> 1]);
  const z = draw({ ...flat, prior: "none" }, 2000, { seed: 1, latents });
  const apart = column(z, 0).map((value, i) => value - column(z, 1)[i]);
  expect(stdOf(column(z, 0))).toBeCloseTo(stdOf(along), 1);
  expect(stdOf(apart)).toBeLessThan(1e-3);
});

function column(z: Float32Array, axis: number): Float32Array {
  return z.filter((_, i) => i % 2 === axis);
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function stdOf(values: Float32Array): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
}
