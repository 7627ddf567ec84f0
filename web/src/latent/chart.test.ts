import { expect, test } from "vitest";
import { ownAxes } from "./axes";
import { type Anchors, type Neighbours, type Plane, PlaneInverse } from "./chart";
import { expectClose, floats } from "./golden/close";
import golden from "./golden/charts.json";

const DIM = 6;

type Case = (typeof golden)[number];
const cases = golden.map((one) => [one.name, one] as const);

test.each(cases)("the %s chart's inverse is Python's to the digit", (_, one) => {
  const inverse = opened(one);
  expect(inverse.fine).toBe(true);
  expectClose(inverse.inverseAll(floats(one.asked)), one.inverse);
});

test.each(cases)("codes fall where Python's %s chart puts them", (_, one) => {
  const inverse = opened(one);
  const z = floats(one.z);
  for (let i = 0; i * DIM < z.length; i++) {
    const place = inverse.forward(z.slice(i * DIM, (i + 1) * DIM))!;
    expectClose(place, one.forward.slice(2 * i, 2 * i + 2), 1e-3);
  }
});

test.each(cases)("the %s chart's lattice alone gives the codes at its own places", (_, one) => {
  const inverse = new PlaneInverse(planeOf(one), DIM, latticeOf(one));
  expect(inverse.fine).toBe(false);
  const [left, bottom, right, top] = one.box;
  for (const [column, row] of [[0, 0], [8, 0], [3, 5], [8, 8]]) {
    const x = left + ((right - left) * column) / 8;
    const y = top - ((top - bottom) * row) / 8;
    const cell = row * 9 + column;
    expectClose(inverse.inverse(x, y), one.lattice.slice(cell * DIM, (cell + 1) * DIM), 2e-3);
  }
});

test("between the places of the lattice codes are mixed, and outside they are those of its edge", () => {
  const one = golden[0];
  const inverse = new PlaneInverse(planeOf(one), DIM, latticeOf(one));
  const [left, bottom, right, top] = one.box;
  const corner = one.lattice.slice(0, DIM);
  const next = one.lattice.slice(DIM, 2 * DIM);
  const half = inverse.inverse(left + (right - left) / 16, top);
  expectClose(half, corner.map((value, i) => (value + next[i]) / 2));
  expectClose(inverse.inverse(left - 5, top + 5), corner);
  expect(inverse.cover(left - 5, bottom)).toBe(0);
});

test("the cover goes smoothly from the data to the hole", () => {
  const plane: Plane = { box: [0, 0, 1, 1], frame: null, reach: 1 };
  const cover = Uint8Array.of(255, 0, 255, 0);
  const inverse = new PlaneInverse(plane, 1, { codes: new Float32Array(4), cover, n: 2 });
  expect(inverse.cover(0, 0.5)).toBeCloseTo(1);
  expect(inverse.cover(0.25, 0.1)).toBeCloseTo(0.75);
  expect(inverse.cover(1, 1)).toBe(0);
});

test("a chart of two axes made here is Python's", () => {
  const one = golden.find((each) => each.name === "axes")!;
  const own = ownAxes(floats(one.codes), DIM, 0, 2);
  expectClose(own.box, one.box);
  expectClose(own.frame!.axes, one.frame!.axes);
  expectClose(own.frame!.origin, one.frame!.origin);
  expect(own.reach).toBeCloseTo(one.reach, 4);
  const inverse = new PlaneInverse(own, DIM);
  expect(() => inverse.inverse(0, 0)).toThrow("being loaded");
  inverse.refine(anchorsOf(floats(one.codes), own.places.x, own.places.y));
  expectClose(inverse.inverseAll(floats(one.asked)), one.inverse);
});

test("without a lattice, the cover is full where Python says that the data are", () => {
  const one = golden.find((each) => each.name === "axes")!;
  const own = ownAxes(floats(one.codes), DIM, 0, 2);
  const inverse = new PlaneInverse(own, DIM);
  inverse.refine(anchorsOf(floats(one.codes), own.places.x, own.places.y));
  one.covers.forEach((covered, i) => {
    const found = inverse.cover(one.asked[2 * i], one.asked[2 * i + 1]);
    if (covered) expect(found).toBe(1);
    else expect(found).toBeLessThan(1);
  });
});

function opened(one: Case): PlaneInverse {
  const inverse = new PlaneInverse(planeOf(one), DIM, latticeOf(one));
  const places = floats(one.places);
  const [x, y] = [0, 1].map((k) => places.filter((_, i) => i % 2 === k));
  inverse.refine(anchorsOf(floats(one.codes), x, y));
  return inverse;
}

function anchorsOf(codes: Float32Array, x: Float32Array, y: Float32Array): Anchors {
  return { codes, x, y, near: plainNeighbours(x, y) };
}

function planeOf(one: Case): Plane {
  return { box: one.box, frame: one.frame, reach: one.reach } as Plane;
}

function latticeOf(one: Case) {
  return { codes: floats(one.lattice), cover: new Uint8Array(81).fill(255), n: 9 };
}

function plainNeighbours(x: Float32Array, y: Float32Array): Neighbours {
  return (px, py, k) => {
    const all = Array.from(x, (value, row) => ({ row, far: Math.hypot(value - px, y[row] - py) }));
    const best = all.sort((a, b) => a.far - b.far).slice(0, k);
    return { rows: best.map((one) => one.row), distances: best.map((one) => one.far) };
  };
}
