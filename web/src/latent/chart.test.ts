import { expect, test } from "vitest";
import { INVERSE } from "../contract";
import { dimensionChart } from "./dimensions";
import { type FittedPoints, type Plane, PlaneInverse } from "./chart";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/charts.json";

const DIM = 6;

type Case = (typeof golden)[number];
const cases = golden.map((item) => [item.name, item] as const);

test.each(cases)("the inverse of the %s chart equals Python's", (_, item) => {
  const inverse = opened(item);
  expect(inverse.fine).toBe(true);
  expectClose(inverse.inverseAll(floats(item.queries)), item.inverse);
});

test.each(cases)("the %s chart maps latents to the same positions as Python", (_, item) => {
  const inverse = opened(item);
  const z = floats(item.z);
  for (let i = 0; i * DIM < z.length; i++) {
    const position = inverse.forward(z.slice(i * DIM, (i + 1) * DIM))!;
    expectClose(position, item.forward.slice(2 * i, 2 * i + 2), 1e-3);
  }
});

test.each(cases)("the lattice of the %s chart gives the latents at its own positions", (_, item) => {
  const inverse = new PlaneInverse(planeOf(item), DIM, latticeOf(item));
  expect(inverse.fine).toBe(false);
  const [left, bottom, right, top] = item.box;
  for (const [column, row] of [
    [0, 0],
    [8, 0],
    [3, 5],
    [8, 8],
  ]) {
    const x = left + ((right - left) * column) / 8;
    const y = top - ((top - bottom) * row) / 8;
    const cell = row * 9 + column;
    expectClose(inverse.inverse(x, y), item.lattice.slice(cell * DIM, (cell + 1) * DIM), 2e-3);
  }
});

test("latents are interpolated between lattice points and constant outside", () => {
  const item = golden[0];
  const inverse = new PlaneInverse(planeOf(item), DIM, latticeOf(item));
  const [left, bottom, right, top] = item.box;
  const corner = item.lattice.slice(0, DIM);
  const next = item.lattice.slice(DIM, 2 * DIM);
  const half = inverse.inverse(left + (right - left) / 16, top);
  expectClose(
    half,
    corner.map((value, i) => (value + next[i]) / 2),
  );
  expectClose(inverse.inverse(left - 5, top + 5), corner);
  expect(inverse.coverage(left - 5, bottom)).toBe(0);
});

test("data coverage falls smoothly from the data to a gap", () => {
  const plane: Plane = { box: [0, 0, 1, 1], projection: null, reach: 1, averaged: INVERSE };
  const coverage = Uint8Array.of(255, 0, 255, 0);
  const inverse = new PlaneInverse(plane, 1, { latents: new Float32Array(4), coverage, n: 2 });
  expect(inverse.coverage(0, 0.5)).toBeCloseTo(1);
  expect(inverse.coverage(0.25, 0.1)).toBeCloseTo(0.75);
  expect(inverse.coverage(1, 1)).toBe(0);
});

test("a chart of two dimensions equals Python's", () => {
  const item = golden.find((each) => each.name === "dimensions")!;
  const chart = dimensionChart(floats(item.latents), DIM, 0, 2);
  expectClose(chart.box, item.box);
  expectClose(chart.projection!.components, item.projection!.components);
  expectClose(chart.projection!.origin, item.projection!.origin);
  expect(chart.reach).toBeCloseTo(item.reach, 4);
  const inverse = new PlaneInverse(chart, DIM);
  expect(() => inverse.inverse(0, 0)).toThrow("being loaded");
  inverse.refine(fittedPoints(floats(item.latents), chart.positions));
  expectClose(inverse.inverseAll(floats(item.queries)), item.inverse);
});

test("without a lattice, data coverage is 1 where Python finds data", () => {
  const item = golden.find((each) => each.name === "dimensions")!;
  const chart = dimensionChart(floats(item.latents), DIM, 0, 2);
  const inverse = new PlaneInverse(chart, DIM);
  inverse.refine(fittedPoints(floats(item.latents), chart.positions));
  item.covers.forEach((covered, i) => {
    const result = inverse.coverage(item.queries[2 * i], item.queries[2 * i + 1]);
    if (covered) expect(result).toBe(1);
    else expect(result).toBeLessThan(1);
  });
});

test.each([1, 2, 5])("the chart of two dimensions of %i latents has no gap at them", (count) => {
  const latents = Float32Array.from({ length: 3 * count }, (_, i) => (i * i) % 7);
  const chart = dimensionChart(latents, 3, 0, 1);
  const inverse = new PlaneInverse(chart, 3);
  inverse.refine(fittedPoints(latents, chart.positions));
  for (let i = 0; i < count; i++) expect(inverse.coverage(chart.positions[2 * i], chart.positions[2 * i + 1])).toBe(1);
  if (count === 1) expect(inverse.coverage(chart.box[0], chart.box[1])).toBe(1);
});

function opened(item: Case): PlaneInverse {
  const inverse = new PlaneInverse(planeOf(item), DIM, latticeOf(item));
  inverse.refine(fittedPoints(floats(item.latents), floats(item.positions)));
  return inverse;
}

function fittedPoints(latents: Float32Array, positions: Float32Array): FittedPoints {
  return { latents, positions, nearest: bruteForce(positions) };
}

function planeOf(item: Case): Plane {
  return { box: item.box, projection: item.projection, reach: item.reach, averaged: INVERSE } as Plane;
}

function latticeOf(item: Case) {
  return { latents: floats(item.lattice), coverage: new Uint8Array(81).fill(255), n: 9 };
}

function bruteForce(positions: Float32Array): FittedPoints["nearest"] {
  return (px, py, k) => {
    const all = Array.from({ length: positions.length / 2 }, (_, row) => {
      return { row, distance: Math.hypot(positions[2 * row] - px, positions[2 * row + 1] - py) };
    });
    const best = all.sort((a, b) => a.distance - b.distance).slice(0, k);
    return { rows: best.map((item) => item.row), distances: best.map((item) => item.distance) };
  };
}
