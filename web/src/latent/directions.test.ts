import { expect, test } from "vitest";
import {
  byExample,
  type Direction,
  effects,
  move,
  read,
  stdFrom,
  stdOf,
  stepOf,
  orthogonalTo,
} from "./directions";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/directions.json";
import { dot, norm } from "./vectors";

const DIM = 6;
const latents = floats(golden.latents);
const std = (vector: Float32Array) => stdOf(vector, latents);
const byExampleDirection: Direction = {
  name: "smile",
  vector: floats(golden.example_direction.vector),
  std: golden.example_direction.std,
};
const normals = ["hat", "beard"].map((name, i) => ({
  name,
  vector: floats(golden.normals.slice(i * DIM, (i + 1) * DIM)),
}));
const probes = { ...golden.probes, weights: floats(golden.probes.weights) };

test("a direction by example equals Python's", () => {
  const result = byExample(latents.slice(0, 20 * DIM), latents.slice(20 * DIM, 50 * DIM), "smile", DIM, std);
  expectClose(result.vector, golden.example_direction.vector);
  expect(result.std).toBeCloseTo(golden.example_direction.std, 4);
});

test("a direction without others equals Python's, and is orthogonal to them", () => {
  const orthogonal = orthogonalTo(byExampleDirection, normals, std);
  expect(orthogonal.name).toBe(golden.orthogonal.name);
  expectClose(orthogonal.vector, golden.orthogonal.vector);
  expect(orthogonal.std).toBeCloseTo(golden.orthogonal.std, 4);
  for (const { vector } of normals) expect(dot(orthogonal.vector, vector)).toBeCloseTo(0, 6);
});

test("an attribute given twice is projected out once", () => {
  const twice = orthogonalTo(byExampleDirection, [...normals, ...normals], std);
  expectClose(twice.vector, golden.orthogonal.vector);
});

test("a direction without itself is refused", () => {
  expect(() => orthogonalTo(byExampleDirection, [byExampleDirection], std)).toThrow("nothing is left");
});

test("a direction between two equal groups is refused", () => {
  expect(() => byExample(latents, latents, "x", DIM, std)).toThrow("same mean");
});

test("a move is in standard deviations", () => {
  const orthogonal = orthogonalTo(byExampleDirection, normals, std);
  const moved = move(latents.slice(0, 4 * DIM), [{ direction: orthogonal, amount: 1.5 }]);
  expectClose(moved, golden.moved);
  expect(norm(stepOf(orthogonal))).toBeCloseTo(orthogonal.std, 4);
});

test("probe probabilities and side effects equal Python's", () => {
  expectClose(read(probes, latents.slice(0, 5 * DIM)), golden.read);
  const result = effects(probes, byExampleDirection, latents);
  expect(Object.keys(result)).toEqual(Object.keys(golden.effects));
  expectClose(Object.values(result), Object.values(golden.effects));
});

test("without latents, the std of each dimension gives the std", () => {
  expect(stdFrom(Float32Array.of(0, 1, 0), [5, 2, 1])).toBeCloseTo(2);
});
