/** Charts computed in the page: two dimensions of the latent space. */

import { CHART_MARGIN, FEW, INVERSE } from "../contract";
import { boxOf } from "../map/camera";
import type { Plane } from "./chart";
import { mean } from "./vectors";

const SAMPLED = 300; // positions that the reach is estimated from
const NEIGHBORS = 17; // within the reach, including the position itself

export interface DimensionChart extends Plane {
  name: string; // "dimensions 3 7"
  title: string;
  positions: Float32Array; // x, y, x, y ...
}

/** The chart of dimensions i and j. */
export function dimensionChart(latents: Float32Array, dim: number, i: number, j: number): DimensionChart {
  const count = latents.length / dim;
  const positions = Float32Array.from({ length: 2 * count }, (_, k) => latents[(k >> 1) * dim + (k % 2 ? j : i)]);
  const center = mean(latents, dim);
  const components = new Array<number>(2 * dim).fill(0);
  components[i] = components[dim + j] = 1;
  const box = boxAround(positions);
  return {
    name: `dimensions ${i} ${j}`,
    title: `Dimensions ${i} and ${j}`,
    positions,
    box,
    projection: { components, mean: Array.from(center), origin: [center[i], center[j]] },
    reach: reachOf(positions) || Math.hypot(box[2] - box[0], box[3] - box[1]), // one point: no place of the box is a gap
    averaged: INVERSE,
  };
}

function boxAround(positions: Float32Array): [number, number, number, number] {
  const [left, bottom, right, top] = boxOf(positions);
  const extent = Math.max(right - left, top - bottom);
  const minimum = extent ? 1e-6 + 1e-3 * extent : 1;
  const [dx, dy] = [right - left, top - bottom].map((size) => CHART_MARGIN * Math.max(size, minimum));
  return [left - dx, bottom - dy, right + dx, top + dy];
}

/** The 99th percentile of the distance to the 17th nearest position; of few positions, the largest. */
function reachOf(positions: Float32Array): number {
  const count = positions.length / 2;
  const step = Math.max(1, Math.floor(count / SAMPLED));
  const reaches: number[] = [];
  for (let row = 0; row < count; row += step) {
    const [x, y] = [positions[2 * row], positions[2 * row + 1]];
    const squares = Float32Array.from(
      { length: count },
      (_, i) => (positions[2 * i] - x) ** 2 + (positions[2 * i + 1] - y) ** 2,
    );
    reaches.push(Math.sqrt(squares.sort()[Math.min(NEIGHBORS, count) - 1]));
  }
  reaches.sort((a, b) => a - b);
  return count < FEW ? reaches.at(-1)! : quantile(reaches, 0.99);
}

function quantile(sorted: number[], share: number): number {
  const position = share * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (position - low) * (sorted[high] - sorted[low]);
}
