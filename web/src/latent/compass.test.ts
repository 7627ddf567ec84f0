import { expect, test } from "vitest";
import { Compass } from "./compass";
import { principalAxes } from "./principal";
import { normals, uniform } from "./random";
import { dot, norm } from "./vectors";

/** Codes whose axes have different spreads, as a model's have. */
function codesOf(dim: number, count = 1500): Float32Array {
  const values = normals(count * dim, uniform(3));
  return values.map((value, i) => value * (1.4 - (0.9 * (i % dim)) / dim));
}

function person(dim: number, seed: number): Float32Array {
  const taste = normals(dim, uniform(seed));
  const length = norm(taste);
  return taste.map((value) => value / length);
}

/** Choices until the direction is found; the person is wrong one time in ten. */
function choicesUntil(cosine: number, dim: number, seed: number): number {
  const codes = codesOf(dim);
  const compass = new Compass(codes, dim, principalAxes(codes, dim), seed);
  const taste = person(dim, 100 + seed);
  const chance = uniform(900 + seed);
  for (let i = 1; i <= 60; i++) {
    const shown = compass.ask();
    const liked = Array.from({ length: compass.count }, (_, k) => dot(shown.subarray(k * dim, (k + 1) * dim), taste));
    const best = liked.indexOf(Math.max(...liked));
    const choice = chance() < 0.1 ? Math.floor(chance() * compass.count) : best;
    compass.tell(shown, choice);
    if (dot(compass.direction("taste").vector, taste) >= cosine) return i;
  }
  return Infinity;
}

test.each([12, 32])("a taste is found within sixty choices in %i axes", (dim) => {
  const found = [1, 2, 3, 4, 5].map((seed) => choicesUntil(0.9, dim, seed)).sort((a, b) => a - b);
  expect(found[2]).toBeLessThanOrEqual(60);
});

test("an answer that is taken back leaves no trace", () => {
  const codes = codesOf(4, 300);
  const compass = new Compass(codes, 4, principalAxes(codes, 4));
  compass.tell(compass.ask(), 0);
  const before = compass.direction("taste").vector;
  compass.tell(compass.ask(), 1);
  compass.undo();
  expect(compass.direction("taste").vector).toEqual(before);
  expect(compass.choices).toBe(1);
});

test("a pass is no choice, and asks something else", () => {
  const codes = codesOf(4, 300);
  const compass = new Compass(codes, 4, principalAxes(codes, 4));
  const first = compass.ask();
  compass.tell(first, null);
  expect(compass.choices).toBe(0);
  expect(compass.angle).toBe(90);
  expect(compass.ask()).not.toEqual(first);
});

test("it grows surer with every answer", () => {
  const codes = codesOf(8, 600);
  const compass = new Compass(codes, 8, principalAxes(codes, 8));
  const angles = [compass.angle];
  for (let i = 0; i < 30; i++) {
    const shown = compass.ask();
    compass.tell(shown, shown[0] > shown[8] ? 0 : 1);
    angles.push(compass.angle);
  }
  expect(angles.at(-1)).toBeLessThan(45);
  expect(compass.direction("taste").vector[0]).toBeGreaterThan(0.8);
});

test("principal axes are those along which codes vary", () => {
  const { axes, spreads } = principalAxes(codesOf(5, 4000), 5);
  expect(Math.abs(axes[0][0])).toBeGreaterThan(0.9);
  expect(spreads).toEqual([...spreads].sort((a, b) => b - a));
  axes.forEach((axis, i) => axes.forEach((other, j) => expect(dot(axis, other)).toBeCloseTo(i === j ? 1 : 0, 5)));
});

test("codes that do not vary are refused with a sentence", () => {
  const codes = new Float32Array(40).fill(1);
  expect(() => new Compass(codes, 4, principalAxes(codes, 4))).toThrow("do not differ");
});
