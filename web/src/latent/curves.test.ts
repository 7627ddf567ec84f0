import { expect, test } from "vitest";
import { at, changes, curve, lerp, loop, nearestMark, sample, slerp, steady, defaultBlend, walk } from "./curves";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/curves.json";
import { row } from "./vectors";

const DIM = 6;
const stops = floats(golden.knots);

type Pair = [string, number[], number[], number[], number[]];

test.each(golden.pairs as Pair[])("both blends of %s ends are Python's", (_, a, b, line, arc) => {
  for (let i = 0; i < 5; i++) {
    const wanted = (rows: number[]) => rows.slice(i * DIM, (i + 1) * DIM);
    expectClose(lerp(floats(a), floats(b), i / 4), wanted(line));
    expectClose(slerp(floats(a), floats(b), i / 4), wanted(arc));
  }
});

test("a curve through several anchors, a loop and a walk are Python's", () => {
  expectClose(sample(curve(stops, DIM), 13), golden.slerp);
  expectClose(sample(loop(stops, DIM, "lerp"), 13), golden.loop);
  expectClose(sample(walk(row(stops, DIM, 0), row(stops, DIM, 1)), 7), golden.walk);
});

test("a curve at a constant rate equals Python's, and so do the times of its knots", () => {
  const even = steady(curve(stops, DIM), golden.changes);
  expectClose(sample(even, 17), golden.steady, 1e-3);
  expectClose(even.marks, golden.marks);
});

test("a curve whose image never changes keeps its times", () => {
  const straight = curve(stops, DIM);
  expect(steady(straight, new Float64Array(10))).toBe(straight);
});

test("a curve starts and ends at its knots, and is constant beyond them", () => {
  const ends = at(curve(stops, DIM), [-1, 0, 1, 2]);
  for (const [i, stop] of [0, 0, 4, 4].entries()) {
    expectClose(row(ends, DIM, i), row(stops, DIM, stop));
  }
});

test("a single frame is the first stop", () => {
  expectClose(sample(curve(stops, DIM), 1), row(stops, DIM, 0));
});

test("every position belongs to the nearest anchor, and the end of a loop to the first", () => {
  const path = curve(stops.slice(0, 3 * DIM), DIM);
  expect([0, 0.2, 0.3, 0.7, 0.8, 1].map((t) => nearestMark(path, t))).toEqual([0, 0, 1, 1, 2, 2]);
  const closed = loop(stops.slice(0, 3 * DIM), DIM);
  expect([0.1, 0.4, 0.6, 0.95].map((t) => nearestMark(closed, t) % 3)).toEqual([0, 1, 2, 0]);
});

test("a curve of one point is refused", () => {
  expect(() => curve(stops.slice(0, DIM), DIM)).toThrow("at least 2 points");
});

test("slerp is the default on a shell, lerp elsewhere", () => {
  expect(defaultBlend({ prior: "normal", dim: 8 })).toBe("slerp");
  expect(defaultBlend({ prior: "normal", dim: 2 })).toBe("lerp");
  expect(defaultBlend({ prior: "sphere", dim: 3 })).toBe("slerp");
  expect(defaultBlend({ prior: "none", dim: 64 })).toBe("lerp");
});

test("the change between images is the norm of their difference", () => {
  const rgba = Uint8ClampedArray.from([0, 0, 0, 255, 3, 4, 0, 255, 3, 4, 0, 255]);
  expect(Array.from(changes({ count: 3, width: 1, height: 1, rgba }))).toEqual([5, 0]);
});
