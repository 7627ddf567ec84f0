import { describe, expect, it } from "vitest";

import { clusters } from "../../test/points";
import { Grid } from "./grid";
import { holds, rowsInside } from "./lasso";

const { positions } = clusters(4000, 6, 3);
positions.set([90, 90], 0);
const grid = new Grid(positions);

const star = Float32Array.from({ length: 42 }, (_, i) => {
  const turn = (Math.floor(i / 2) / 21) * 2 * Math.PI;
  const far = Math.floor(i / 2) % 2 ? 9 : 3;
  return i % 2 ? far * Math.sin(turn) : far * Math.cos(turn);
});

describe("a lasso", () => {
  it.each([
    ["a star", star],
    ["a box far out", Float32Array.of(-200, -200, 200, -200, 200, 200, -200, 200)],
    ["a flat line", Float32Array.of(-9, 0, 9, 0, 0, 0)],
    ["a bow that crosses itself", Float32Array.of(-9, -5, 9, 5, 9, -5, -9, 5)],
  ])("holds just what lies inside %s", (_, polygon) => {
    const wanted = Array.from({ length: 4000 }, (_, row) => row).filter((row) =>
      holds(polygon, positions[2 * row], positions[2 * row + 1]),
    );
    expect([...rowsInside(polygon, grid)]).toEqual(wanted);
  });

  it("selects only rows of the mask, and nothing with two points", () => {
    const mask = Uint8Array.from({ length: 4000 }, (_, row) => row % 2);
    const rows = rowsInside(star, grid, mask);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.every((row) => row % 2 === 1)).toBe(true);
    expect(rowsInside([0, 0, 5, 5], grid).length).toBe(0);
  });
});
