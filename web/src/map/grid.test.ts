import { describe, expect, it } from "vitest";

import { clusters, random } from "../../test/points";
import { Grid } from "./grid";

/** The k nearest by trying all. */
function plainly(positions: Float32Array, x: number, y: number, k: number, mask?: Uint8Array): number[] {
  return Array.from({ length: positions.length / 2 }, (_, row) => row)
    .filter((row) => (!mask || mask[row]) && Number.isFinite(positions[2 * row]))
    .map((row) => ({ row, square: (positions[2 * row] - x) ** 2 + (positions[2 * row + 1] - y) ** 2 }))
    .sort((a, b) => a.square - b.square || a.row - b.row)
    .slice(0, k)
    .map(({ row }) => row);
}

const { positions } = clusters(3000);
positions.set([500, -300, 500, -300, NaN, NaN], 0); // two strays at one position, and a point without one
for (let row = 100; row < 140; row++) positions.set(positions.subarray(200, 202), 2 * row); // forty at one position
const grid = new Grid(positions);
const next = random(7);
const queries = Array.from({ length: 150 }, () => [next() * 40 - 20, next() * 30 - 15]).concat([
  [500, -300],
  [1e4, 1e4],
  [-1e4, 0],
  [grid.left, grid.bottom],
  [positions[200], positions[201]],
]);

describe("a grid", () => {
  it("finds the nearest 17 exactly, also at and beyond borders and with ties", () => {
    for (const [x, y] of queries) {
      const { rows, distances } = grid.nearestMany(x, y, 17);
      expect([...rows]).toEqual(plainly(positions, x, y, 17));
      expect([...distances]).toEqual([...distances].sort((a, b) => a - b));
    }
  });

  it("finds the nearest one within a radius, or none", () => {
    for (const [x, y] of queries) {
      const [row] = plainly(positions, x, y, 1);
      const far = Math.hypot(positions[2 * row] - x, positions[2 * row + 1] - y);
      expect(grid.nearest(x, y, far * 1.001 + 1e-9)).toBe(row);
      if (far > 0) expect(grid.nearest(x, y, far * 0.999)).toBe(-1);
    }
  });

  it("respects its mask", () => {
    const mask = Uint8Array.from({ length: 3000 }, (_, row) => (row % 7 === 0 ? 1 : 0));
    const few = new Grid(positions, mask);
    for (const [x, y] of queries) {
      const wanted = plainly(positions, x, y, 5, mask);
      expect([...few.nearestMany(x, y, 5).rows]).toEqual(wanted);
      expect(few.nearest(x, y, 1e9)).toBe(wanted[0]);
    }
  });

  it("returns all rows of a box, or a uniform share of them", () => {
    const box = [-5, -4, 6, 5] as const;
    const inside = (row: number): boolean =>
      positions[2 * row] >= box[0] &&
      positions[2 * row] <= box[2] &&
      positions[2 * row + 1] >= box[1] &&
      positions[2 * row + 1] <= box[3];
    const all = Array.from({ length: 3000 }, (_, row) => row).filter(inside);
    expect([...grid.within(box)].sort((a, b) => a - b)).toEqual(all);
  });

  it("handles few, equal and no points", () => {
    expect(new Grid(new Float32Array(0)).nearest(0, 0, 9)).toBe(-1);
    expect(new Grid(new Float32Array(0)).nearestMany(0, 0, 3).rows.length).toBe(0);
    expect([...new Grid(Float32Array.of(1, 1, 1, 1)).nearestMany(0, 0, 3).rows]).toEqual([0, 1]);
    expect(new Grid(Float32Array.of(1, 1)).spacing()).toBe(Infinity);
  });
});
