import { expect, test } from "vitest";
import { effects, move, orthogonalTo } from "./directions";
import { type FieldAbout, follow, readField } from "./fields";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/fields.json";
import { dot, norm, subtract } from "./vectors";

const DIM = 5;
const latents = floats(golden.latents);
const fields = golden.fields.map(({ about, numbers, moved }) => ({
  field: readField(about as FieldAbout, floats(numbers)),
  moved,
}));
const [field, other] = fields.map(({ field }) => field);
const vector = Float32Array.of(1, 0, 0, 0, 0);
const slider = { name: "curly", vector, std: 1, field };

test.each(fields.map((item, i) => [golden.fields[i].about.kind, item] as const))(
  "a field of the kind %s moves latents as Python does",
  (_, { field, moved }) => {
    golden.amounts.forEach((amount, i) => expectClose(follow(field, latents, DIM, amount), moved[i], 1e-3));
  },
);

test("moving back returns to the start", () => {
  const there = follow(field, latents, DIM, 1.5);
  const back = follow(field, there, DIM, -1.5);
  expect(norm(subtract(back, latents))).toBeLessThan(0.1 * norm(subtract(there, latents)));
});

test("linear directions are applied before nonlinear ones", () => {
  const straight = { name: "up", vector: Float32Array.of(0, 1, 0, 0, 0), std: 2 };
  const result = move(latents, [
    { direction: slider, amount: 2 },
    { direction: straight, amount: 1 },
  ]);
  const lifted = move(latents, [{ direction: straight, amount: 1 }]);
  expectClose(result, follow(field, lifted, DIM, 2));
});

test("a nonlinear direction without another is orthogonal to it everywhere", () => {
  const normal = { name: "hat", vector: Float32Array.of(0.6, 0, 0.8, 0, 0) };
  const clean = orthogonalTo(slider, [normal], () => 1);
  expect(clean.name).toBe("curly without hat");
  const moved = subtract(move(latents, [{ direction: clean, amount: 3 }]), latents);
  expect(norm(moved)).toBeGreaterThan(1);
  for (let row = 0; row < 4; row++) {
    expect(dot(moved.subarray(row * DIM, (row + 1) * DIM), normal.vector)).toBeCloseTo(0, 5);
  }
  const probes = { names: ["hat"], weights: normal.vector, offsets: [0] };
  expect(effects(probes, clean, latents).hat).toBeCloseTo(0, 6);
});

test("a field file of another size is refused", () => {
  const about = golden.fields[0].about as FieldAbout;
  expect(() => readField(about, floats([1, 2]))).toThrow("holds 2 numbers");
  expect(other(Float64Array.from(latents.subarray(0, DIM))).length).toBe(DIM);
});
