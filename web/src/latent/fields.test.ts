import { expect, test } from "vitest";
import { effects, move, without } from "./directions";
import { type FieldAbout, follow, readField } from "./fields";
import { expectClose, floats } from "./golden/close";
import golden from "./golden/fields.json";
import { dot, norm, subtract } from "./vectors";

const DIM = 5;
const points = floats(golden.points);
const fields = golden.fields.map(({ about, numbers, moved }) => ({
  field: readField(about as FieldAbout, floats(numbers)),
  moved,
}));
const [lead, other] = fields.map(({ field }) => field);
const vector = Float32Array.of(1, 0, 0, 0, 0);
const knob = { name: "curly", vector, spread: 1, lead };

test.each(fields.map((one, i) => [golden.fields[i].about.field, one] as const))(
  "a field of the kind %s leads where Python says",
  (_, { field, moved }) => {
    golden.amounts.forEach((amount, i) => expectClose(follow(field, points, DIM, amount), moved[i], 1e-3));
  },
);

test("the way back ends where it began", () => {
  const there = follow(lead, points, DIM, 1.5);
  const back = follow(lead, there, DIM, -1.5);
  expect(norm(subtract(back, points))).toBeLessThan(0.1 * norm(subtract(there, points)));
});

test("straight ways go first, then those that bend", () => {
  const straight = { name: "up", vector: Float32Array.of(0, 1, 0, 0, 0), spread: 2 };
  const found = move(points, [{ direction: knob, amount: 2 }, { direction: straight, amount: 1 }]);
  const lifted = move(points, [{ direction: straight, amount: 1 }]);
  expectClose(found, follow(lead, lifted, DIM, 2));
});

test("a way that bends leaves alone what it is told to, wherever it is", () => {
  const normal = { name: "hat", vector: Float32Array.of(0.6, 0, 0.8, 0, 0) };
  const clean = without(knob, [normal], () => 1);
  expect(clean.name).toBe("curly without hat");
  const moved = subtract(move(points, [{ direction: clean, amount: 3 }]), points);
  expect(norm(moved)).toBeGreaterThan(1);
  for (let row = 0; row < 4; row++) {
    expect(dot(moved.subarray(row * DIM, (row + 1) * DIM), normal.vector)).toBeCloseTo(0, 5);
  }
  const probes = { names: ["hat"], weights: normal.vector, offsets: [0] };
  expect(effects(probes, clean, points).hat).toBeCloseTo(0, 6);
});

test("numbers that are no such field are refused", () => {
  const about = golden.fields[0].about as FieldAbout;
  expect(() => readField(about, floats([1, 2]))).toThrow("has come with 2");
  expect(other(Float64Array.from(points.subarray(0, DIM))).length).toBe(DIM);
});
