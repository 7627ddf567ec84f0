import { expect, test } from "vitest";
import { expectClose, floats } from "../../test/close";
import golden from "../../test/fixtures/compass.json";
import principal from "../../test/fixtures/principal.json";
import { Compass } from "./compass";
import { principalComponents } from "./principal";
import { normals, uniform } from "./random";
import { dot, norm } from "./vectors";

const rows = (values: number[], dim: number) =>
  Array.from({ length: values.length / dim }, (_, i) => floats(values.slice(i * dim, (i + 1) * dim)));

test.each(golden)(
  "the compass of $dim dimensions gives the questions and directions of Python's",
  ({ seed, dim, latents, components, std, steps }) => {
    const compass = new Compass(floats(latents), dim, { components: rows(components, dim), std }, seed);
    for (const step of steps) {
      const shown = compass.question();
      expectClose(shown, step.shown, 1e-5);
      compass.answer(shown, step.choice);
      const { vector, std } = compass.direction("preference");
      expectClose(vector, step.vector, 1e-5);
      expect(std).toBeCloseTo(step.std, 5);
      expect(compass.angle).toBeCloseTo(step.angle, 4);
    }
  },
);

test("principal components equal Python's, with their signs", () => {
  const { components, std } = principalComponents(floats(principal.latents), principal.dim);
  rows(principal.components, principal.dim).forEach((axis, i) => expectClose(components[i], axis, 1e-5));
  expectClose(std, principal.std, 1e-5);
});

/** Latents with a different std in each dimension. */
function latentsOf(dim: number, count = 1500): Float32Array {
  const values = normals(count * dim, uniform(3));
  return values.map((value, i) => value * (1.4 - (0.9 * (i % dim)) / dim));
}

function preferenceOf(dim: number, seed: number): Float32Array {
  const preference = normals(dim, uniform(seed));
  const length = norm(preference);
  return preference.map((value) => value / length);
}

/** Choices until the direction is found, with one wrong answer in ten. */
function choicesUntil(cosine: number, dim: number, seed: number): number {
  const latents = latentsOf(dim);
  const compass = new Compass(latents, dim, principalComponents(latents, dim), seed);
  const preference = preferenceOf(dim, 100 + seed);
  const random = uniform(900 + seed);
  for (let i = 1; i <= 60; i++) {
    const shown = compass.question();
    const values = Array.from({ length: compass.count }, (_, k) =>
      dot(shown.subarray(k * dim, (k + 1) * dim), preference),
    );
    const best = values.indexOf(Math.max(...values));
    const choice = random() < 0.1 ? Math.floor(random() * compass.count) : best;
    compass.answer(shown, choice);
    if (dot(compass.direction("preference").vector, preference) >= cosine) return i;
  }
  return Infinity;
}

test.each([12, 32])("a preference is found within sixty choices in %i dimensions", (dim) => {
  const result = [1, 2, 3, 4, 5].map((seed) => choicesUntil(0.9, dim, seed)).sort((a, b) => a - b);
  expect(result[2]).toBeLessThanOrEqual(60);
});

test("an undone answer has no effect", () => {
  const latents = latentsOf(4, 300);
  const compass = new Compass(latents, 4, principalComponents(latents, 4));
  compass.answer(compass.question(), 0);
  const before = compass.direction("preference").vector;
  compass.answer(compass.question(), 1);
  compass.undo();
  expect(compass.direction("preference").vector).toEqual(before);
  expect(compass.choices).toBe(1);
});

test("a skipped question is not a choice, and the next one differs", () => {
  const latents = latentsOf(4, 300);
  const compass = new Compass(latents, 4, principalComponents(latents, 4));
  const first = compass.question();
  compass.answer(first, null);
  expect(compass.choices).toBe(0);
  expect(compass.angle).toBe(90);
  expect(compass.question()).not.toEqual(first);
});

test("the expected angle falls with the answers", () => {
  const latents = latentsOf(8, 600);
  const compass = new Compass(latents, 8, principalComponents(latents, 8));
  const angles = [compass.angle];
  for (let i = 0; i < 30; i++) {
    const shown = compass.question();
    compass.answer(shown, shown[0] > shown[8] ? 0 : 1);
    angles.push(compass.angle);
  }
  expect(angles.at(-1)).toBeLessThan(45);
  expect(compass.direction("preference").vector[0]).toBeGreaterThan(0.8);
});

test("principal components are orthonormal and ordered by std", () => {
  const { components, std } = principalComponents(latentsOf(5, 4000), 5);
  expect(Math.abs(components[0][0])).toBeGreaterThan(0.9);
  expect(std).toEqual([...std].sort((a, b) => b - a));
  components.forEach((axis, i) =>
    components.forEach((other, j) => expect(dot(axis, other)).toBeCloseTo(i === j ? 1 : 0, 5)),
  );
});

test("latents that do not vary are refused", () => {
  const latents = new Float32Array(40).fill(1);
  expect(() => new Compass(latents, 4, principalComponents(latents, 4))).toThrow("vary in at least two dimensions");
});
