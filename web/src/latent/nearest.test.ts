import { expect, test } from "vitest";
import { expectClose, floats } from "./golden/close";
import golden from "./golden/near.json";
import { far, nearest } from "./nearest";
import { normals, uniform } from "./random";
import { openSeeker } from "./seeker";

const DIM = 6;
const codes = floats(golden.codes);

test("the nearest codes and their distances are Python's", () => {
  const near = nearest(codes, DIM, floats(golden.z), 7);
  expect(Array.from(near.rows)).toEqual(golden.rows);
  expectClose(near.distances, golden.distances);
});

test("how far points are from the data is what Python says", () => {
  const near = nearest(codes, DIM, floats(golden.z), 7);
  expectClose(far(near, golden), golden.far);
});

test("more neighbours than codes are all the codes", () => {
  const near = nearest(codes.slice(0, 3 * DIM), DIM, codes.slice(0, DIM), 9);
  expect(near.k).toBe(3);
  expect(near.rows[0]).toBe(0);
});

test("an odd number of axes counts as well", () => {
  const near = nearest(Float32Array.of(0, 0, 0, 0, 0, 2), 3, Float32Array.of(0, 0, 3), 2);
  expect(Array.from(near.distances)).toEqual([1, 3]);
});

test("few codes are looked through here and now", async () => {
  const many = normals(2000 * 64, uniform(1));
  const seeker = openSeeker(many, 64);
  const near = await seeker.nearest(many.slice(640, 704), 3);
  expect(near!.rows[0]).toBe(10);
  seeker.close();
});
