import { expect, test } from "vitest";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/near.json";
import { far, nearest } from "./nearest";
import { normals, uniform } from "./random";
import { openSearch } from "./search";

const DIM = 6;
const latents = floats(golden.latents);

test("the nearest latents and their distances equal Python's", () => {
  const near = nearest(latents, DIM, floats(golden.z), 7);
  expect(Array.from(near.rows)).toEqual(golden.rows);
  expectClose(near.distances, golden.distances);
});

test("the distance from the data equals Python's", () => {
  const near = nearest(latents, DIM, floats(golden.z), 7);
  expectClose(far(near, golden), golden.far);
});

test("the number of neighbors is limited to the number of latents", () => {
  const near = nearest(latents.slice(0, 3 * DIM), DIM, latents.slice(0, DIM), 9);
  expect(near.k).toBe(3);
  expect(near.rows[0]).toBe(0);
});

test("an odd number of dimensions works", () => {
  const near = nearest(Float32Array.of(0, 0, 0, 0, 0, 2), 3, Float32Array.of(0, 0, 3), 2);
  expect(Array.from(near.distances)).toEqual([1, 3]);
});

test("few latents are searched without a worker", async () => {
  const many = normals(2000 * 64, uniform(1));
  const search = openSearch(many, 64);
  const near = await search.nearest(many.slice(640, 704), 3);
  expect(near!.rows[0]).toBe(10);
  search.close();
});
