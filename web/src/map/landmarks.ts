/** Points in dense regions of the map. */

import type { Grid } from "./grid";

const NEIGHBORS = 16; // whose distance measures the density
const MAX_MEASURED = 1500; // points

/** At most `count` rows in dense regions, the densest first, each far from those before it. */
export function landmarks(grid: Grid, count: number): number[] {
  const { positions, rows } = grid;
  const step = Math.max(1, Math.floor(rows.length / MAX_MEASURED));
  const measured: { row: number; reach: number }[] = [];
  for (let i = 0; i < rows.length; i += step) {
    const row = rows[i];
    const { distances } = grid.nearestMany(positions[2 * row], positions[2 * row + 1], NEIGHBORS);
    measured.push({ row, reach: distances[distances.length - 1] });
  }
  measured.sort((a, b) => a.reach - b.reach || a.row - b.row);
  const dense = measured.slice(0, Math.max(count, Math.ceil(measured.length / 3)));
  const result = dense.slice(0, 1).map(({ row }) => row);
  const apart = (a: number, b: number) => Math.hypot(positions[2 * a] - positions[2 * b], positions[2 * a + 1] - positions[2 * b + 1]);
  while (result.length < Math.min(count, dense.length)) {
    const far = dense.map(({ row }) => Math.min(...result.map((other) => apart(row, other))));
    result.push(dense[far.indexOf(Math.max(...far))].row);
  }
  return result;
}
