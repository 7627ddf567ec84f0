import { expect, test } from "vitest";
import {
  arithmetic, byExample, type Direction, effects, move, read, spreadBy, spreadOf, stepOf, without,
} from "./directions";
import { expectClose, floats } from "./golden/close";
import golden from "./golden/directions.json";
import { dot, norm } from "./vectors";

const DIM = 6;
const codes = floats(golden.codes);
const spread = (vector: Float32Array) => spreadOf(vector, codes);
const shown: Direction = { name: "smile", vector: floats(golden.shown.vector), spread: golden.shown.spread };
const normals = ["hat", "beard"].map((name, i) => ({
  name,
  vector: floats(golden.normals.slice(i * DIM, (i + 1) * DIM)),
}));
const probes = { ...golden.probes, weights: floats(golden.probes.weights) };

test("a direction by example is Python's", () => {
  const found = byExample(codes.slice(0, 20 * DIM), codes.slice(20 * DIM, 50 * DIM), "smile", DIM, spread);
  expectClose(found.vector, golden.shown.vector);
  expect(found.spread).toBeCloseTo(golden.shown.spread, 4);
});

test("a direction without others is Python's, and at right angles to them", () => {
  const clean = without(shown, normals, spread);
  expect(clean.name).toBe(golden.clean.name);
  expectClose(clean.vector, golden.clean.vector);
  expect(clean.spread).toBeCloseTo(golden.clean.spread, 4);
  for (const { vector } of normals) expect(dot(clean.vector, vector)).toBeCloseTo(0, 6);
});

test("an attribute named twice is taken out once", () => {
  const twice = without(shown, [...normals, ...normals], spread);
  expectClose(twice.vector, golden.clean.vector);
});

test("nothing is left of a direction without itself", () => {
  expect(() => without(shown, [shown], spread)).toThrow("Nothing is left");
});

test("no way leads between two groups that are the same", () => {
  expect(() => byExample(codes, codes, "x", DIM, spread)).toThrow("same mean");
});

test("a move is in spreads", () => {
  const clean = without(shown, normals, spread);
  const moved = move(codes.slice(0, 4 * DIM), [{ direction: clean, amount: 1.5 }]);
  expectClose(moved, golden.moved);
  expect(norm(stepOf(clean))).toBeCloseTo(clean.spread, 4);
});

test("probes read and effects are Python's", () => {
  expectClose(read(probes, codes.slice(0, 5 * DIM)), golden.read);
  const found = effects(probes, shown, codes);
  expect(Object.keys(found)).toEqual(Object.keys(golden.effects));
  expectClose(Object.values(found), Object.values(golden.effects));
});

test("without codes, the deviations of the axes tell the spread", () => {
  expect(spreadBy(Float32Array.of(0, 1, 0), [5, 2, 1])).toBeCloseTo(2);
});

test("A - B + C", () => {
  const [a, b, c] = [Float32Array.of(1, 2), Float32Array.of(3, 3), Float32Array.of(10, 20)];
  const sum = arithmetic([{ sign: 1, z: a }, { sign: -1, z: b }, { sign: 1, z: c }]);
  expect(Array.from(sum)).toEqual([8, 19]);
});
