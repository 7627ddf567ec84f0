/** Lasso selection. */

import type { Grid } from "./grid";

/** Rows (ascending) of the points inside a closed polygon of positions x, y, x, y ...; with the even-odd rule. */
export function rowsInside(polygon: ArrayLike<number>, grid: Grid, mask: Uint8Array | null = null): Int32Array {
  const { side, starts, rows, positions } = grid;
  const result: number[] = [];
  if (polygon.length < 6) return new Int32Array(0);
  const touched = cellsTouched(polygon, grid);
  for (let cell = 0; cell < side * side; cell++) {
    if (starts[cell] === starts[cell + 1]) continue;
    const interior = !touched[cell];
    if (interior && !holds(polygon, ...centerOf(cell, grid))) continue;
    for (let at = starts[cell]; at < starts[cell + 1]; at++) {
      const row = rows[at];
      if (mask && !mask[row]) continue;
      if (interior || holds(polygon, positions[2 * row], positions[2 * row + 1])) result.push(row);
    }
  }
  return Int32Array.from(result).sort();
}

/** Cells that may be partly inside: those near an edge, and the unbounded cells at the border. */
function cellsTouched(polygon: ArrayLike<number>, grid: Grid): Uint8Array {
  const { side } = grid;
  const touched = new Uint8Array(side * side);
  for (let i = 0; i < side; i++) {
    touched[i] = touched[side * (side - 1) + i] = 1;
    touched[i * side] = touched[i * side + side - 1] = 1;
  }
  eachEdge(polygon, (ax, ay, bx, by) => {
    const [low, high] = [grid.lineOf(Math.min(ay, by)), grid.lineOf(Math.max(ay, by))];
    for (let j = low; j <= high; j++) {
      const [from, to] = spanAt(ax, ay, bx, by, grid.bottom + j * grid.cellHeight, grid.bottom + (j + 1) * grid.cellHeight);
      const first = Math.max(0, grid.columnOf(from) - 1); // one more on each side, for rounding
      const last = Math.min(side - 1, grid.columnOf(to) + 1);
      touched.fill(1, j * side + first, j * side + last + 1);
    }
  });
  return touched;
}

/** The range of x of an edge between two heights. */
function spanAt(ax: number, ay: number, bx: number, by: number, low: number, high: number): [number, number] {
  if (ay === by) return [Math.min(ax, bx), Math.max(ax, bx)];
  const at = (y: number): number => ax + (bx - ax) * Math.min(1, Math.max(0, (y - ay) / (by - ay)));
  const ends = [at(low), at(high)];
  return [Math.min(...ends), Math.max(...ends)];
}

function centerOf(cell: number, { side, left, bottom, cellWidth, cellHeight }: Grid): [number, number] {
  return [left + ((cell % side) + 0.5) * cellWidth, bottom + (Math.floor(cell / side) + 0.5) * cellHeight];
}

/** Whether a position is inside the polygon, by ray casting. */
export function holds(polygon: ArrayLike<number>, x: number, y: number): boolean {
  let inside = false;
  eachEdge(polygon, (ax, ay, bx, by) => {
    if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
  });
  return inside;
}

function eachEdge(polygon: ArrayLike<number>, visit: (ax: number, ay: number, bx: number, by: number) => void): void {
  const end = polygon.length - (polygon.length % 2);
  for (let i = 0, j = end - 2; i < end; j = i, i += 2) visit(polygon[j], polygon[j + 1], polygon[i], polygon[i + 1]);
}
