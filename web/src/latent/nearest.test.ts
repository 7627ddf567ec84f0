import { expect, test } from "vitest";
import type { DensityEntry } from "../contract";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/neighbors.json";
import { nearest, relativeDistances } from "./nearest";
import { normals, uniform } from "./random";
import { openSearch } from "./search";

const DIM = 6;
const latents = floats(golden.latents);

test("the nearest latents and their distances equal Python's", () => {
  const result = nearest(latents, DIM, floats(golden.z), 7);
  expect(Array.from(result.rows)).toEqual(golden.rows);
  expectClose(result.distances, golden.distances);
});

test("the distance from the data equals Python's", () => {
  const z = floats(golden.z);
  const density = golden.density as DensityEntry;
  expectClose(relativeDistances(nearest(latents, DIM, z, 7), z, density), golden.relative_distances);
});

test("the number of neighbors is limited to the number of latents", () => {
  const result = nearest(latents.slice(0, 3 * DIM), DIM, latents.slice(0, DIM), 9);
  expect(result.k).toBe(3);
  expect(result.rows[0]).toBe(0);
});

test("an odd number of dimensions works", () => {
  const result = nearest(Float32Array.of(0, 0, 0, 0, 0, 2), 3, Float32Array.of(0, 0, 3), 2);
  expect(Array.from(result.distances)).toEqual([1, 3]);
});

test("few latents are searched without a worker", async () => {
  const latents = normals(2000 * 64, uniform(1));
  const search = openSearch(latents, 64);
  const result = await search.nearest(latents.slice(640, 704), 3);
  expect(result!.rows[0]).toBe(10);
  search.close();
});
