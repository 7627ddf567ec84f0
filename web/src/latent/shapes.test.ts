import { expect, test } from "vitest";
import { sample } from "./curves";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/curves.json";
import { freehand, overChart, placed, spiral, spline } from "./shapes";

const DIM = 6;

type Spline = [number, boolean, boolean, number[]];

test.each(golden.splines as Spline[])(
  "a spline through %i knots (closed: %s, separate norms: %s) equals Python's",
  (count, closed, norms, wanted) => {
    const stops = floats(golden.knots.slice(0, count * DIM));
    expectClose(sample(spline(stops, DIM, { closed, norms }), 29), wanted);
  },
);

test("a spiral equals Python's", () => {
  expectClose(sample(spiral({ turns: 3, extent: 1.5 }), 25), golden.spiral);
});

test("a placed curve starts at its position", () => {
  expectClose(sample(placed(spiral(), 3, -2, 0.5), 2), [3, -2, 3 + 1, -2], 1e-3);
});

test("a hand-drawn line gets a constant speed and keeps its ends", () => {
  const drawn = Float32Array.of(0, 0, 0.1, 0, 0.2, 0, 9, 0, 10, 0, 10, 10);
  const line = freehand(drawn);
  const positions = line.knots;
  expectClose(positions.slice(0, 2), [0, 0]);
  expectClose(positions.slice(-2), [10, 10]);
  const steps = Array.from({ length: positions.length / 2 - 1 }, (_, i) =>
    Math.hypot(positions[2 * i + 2] - positions[2 * i], positions[2 * i + 3] - positions[2 * i + 1]),
  );
  expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(1.05);
});

test("a hand-drawn line without movement is a constant curve", () => {
  expectClose(sample(freehand(Float32Array.of(1, 2, 1, 2)), 3), [1, 2, 1, 2, 1, 2]);
});

test("a plane curve becomes a curve through the latents under it", () => {
  const inverse = (positions: Float32Array) => positions.map((value) => value * 2);
  const over = overChart(freehand(Float32Array.of(0, 0, 1, 1)), 2, inverse);
  expectClose(sample(over, 3), [0, 0, 1, 1, 2, 2]);
});
