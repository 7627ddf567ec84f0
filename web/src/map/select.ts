/** Selects the points that get a thumbnail: as many as fit, independent of how the map is dragged. */

import type { View } from "../types";
import { type Box, visibleBox } from "./camera";
import type { Grid } from "./grid";

export interface Size {
  width: number;
  height: number;
}

const ROUNDS = 4;

/**
 * Rows (ascending) of points on the screen whose tiles do not overlap. In each small cell, fixed for a zoom octave,
 * the lowest row is a candidate; of overlapping candidates, the lower row wins. Each round reaches two tiles further,
 * so the margin beyond the screen makes the selection independent of the screen's position.
 */
export function selectTiles(grid: Grid, view: View, screen: Size, tile: Size): Int32Array {
  const reach = (2 * ROUNDS + 1) * Math.max(tile.width, tile.height);
  const step = Math.max(tile.width, tile.height) / 3 / 2 ** Math.floor(Math.log2(view.scale));
  const rows = firstOfCells(grid, visibleBox(view, screen.width, screen.height, reach), step);
  const selected = nonOverlapping(grid.positions, rows, tile.width / view.scale, tile.height / view.scale);
  const [left, bottom, right, top] = visibleBox(
    view,
    screen.width,
    screen.height,
    Math.max(tile.width, tile.height) / 2,
  );
  return selected.filter((row) => {
    const [x, y] = [grid.positions[2 * row], grid.positions[2 * row + 1]];
    return x > left && x < right && y > bottom && y < top;
  });
}

/** The lowest row of each square cell of a box, ascending. */
function firstOfCells(grid: Grid, box: Box, step: number): Int32Array {
  const { positions } = grid;
  const [left, bottom, right, top] = box.map((end) => Math.floor(end / step));
  const across = right - left + 1;
  const first = new Int32Array(across * (top - bottom + 1)).fill(-1);
  for (const row of grid.within(box)) {
    const cell =
      (Math.floor(positions[2 * row + 1] / step) - bottom) * across + Math.floor(positions[2 * row] / step) - left;
    if (first[cell] < 0 || row < first[cell]) first[cell] = row;
  }
  return first.filter((row) => row >= 0).sort();
}

/** In each round, select rows that overlap no lower candidate, and remove the candidates they overlap. */
function nonOverlapping(positions: Float32Array, rows: Int32Array, width: number, height: number): Int32Array {
  const selected: number[] = [];
  let candidates = rows;
  for (let round = 0; round < ROUNDS && candidates.length; round++) {
    const all = byCell(positions, candidates, width, height);
    const selectedNow = candidates.filter((row) => !all.overlaps(row, (other) => other < row));
    const winners = byCell(positions, selectedNow, width, height);
    candidates = candidates.filter((row) => !winners.overlaps(row, () => true));
    selected.push(...selectedNow);
  }
  return Int32Array.from(selected).sort();
}

/** Finds rows with overlapping tiles by looking at the nine cells around a row. */
function byCell(
  positions: Float32Array,
  rows: Int32Array,
  width: number,
  height: number,
): { overlaps(row: number, counts: (other: number) => boolean): boolean } {
  const cells = new Map<number, number[]>();
  const cellOf = (row: number): [number, number] => [
    Math.floor(positions[2 * row] / width),
    Math.floor(positions[2 * row + 1] / height),
  ];
  for (const row of rows) {
    const cell = key(...cellOf(row));
    const members = cells.get(cell);
    if (members) members.push(row);
    else cells.set(cell, [row]);
  }
  const close = (a: number, b: number): boolean =>
    Math.abs(positions[2 * a] - positions[2 * b]) < width &&
    Math.abs(positions[2 * a + 1] - positions[2 * b + 1]) < height;
  return {
    overlaps(row, counts) {
      const [i, j] = cellOf(row);
      for (let dj = -1; dj <= 1; dj++) {
        for (let di = -1; di <= 1; di++) {
          for (const other of cells.get(key(i + di, j + dj)) ?? []) if (counts(other) && close(row, other)) return true;
        }
      }
      return false;
    },
  };
}

/** One number for a cell of a plane. */
function key(i: number, j: number): number {
  return (i + 2 ** 25) * 2 ** 26 + (j + 2 ** 25);
}
