/** Charts computed in the page: two dimensions of the latent space. */

import { CHART_MARGIN } from "../contract";
import type { Plane } from "./chart";
import { mean } from "./vectors";

const SAMPLED = 300; // positions that the reach is estimated from
const AROUND = 17; // neighbors within it, including the position itself

export interface DimensionChart extends Plane {
  name: string; // "dimensions 3 7"
  title: string;
  positions: { x: Float32Array; y: Float32Array };
}

/** The chart of dimensions i and j. */
export function dimensionChart(latents: Float32Array, dim: number, i: number, j: number): DimensionChart {
  const x = column(latents, dim, i);
  const y = column(latents, dim, j);
  const center = mean(latents, dim);
  const components = new Array<number>(2 * dim).fill(0);
  components[i] = components[dim + j] = 1;
  return {
    name: `dimensions ${i} ${j}`,
    title: `Dimensions ${i} and ${j}`,
    positions: { x, y },
    box: boxAround(x, y),
    projection: { components, mean: Array.from(center), origin: [center[i], center[j]] },
    reach: reachOf(x, y),
  };
}

function column(latents: Float32Array, dim: number, axis: number): Float32Array {
  return Float32Array.from({ length: latents.length / dim }, (_, row) => latents[row * dim + axis]);
}

function boxAround(x: Float32Array, y: Float32Array): [number, number, number, number] {
  const [left, right] = range(x);
  const [bottom, top] = range(y);
  const least = 1e-6 + 1e-3 * Math.max(right - left, top - bottom);
  const [dx, dy] = [right - left, top - bottom].map((wide) => CHART_MARGIN * Math.max(wide, least));
  return [left - dx, bottom - dy, right + dx, top + dy];
}

function range(values: Float32Array): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** The 99th percentile of the distance to the 17th nearest position. */
function reachOf(x: Float32Array, y: Float32Array): number {
  const step = Math.max(1, Math.floor(x.length / SAMPLED));
  const reaches: number[] = [];
  for (let row = 0; row < x.length; row += step) {
    const squares = x.map((value, i) => (value - x[row]) ** 2 + (y[i] - y[row]) ** 2).sort();
    reaches.push(Math.sqrt(squares[Math.min(AROUND, squares.length) - 1]));
  }
  reaches.sort((a, b) => a - b);
  return quantile(reaches, 0.99);
}

function quantile(sorted: number[], share: number): number {
  const position = share * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (position - low) * (sorted[high] - sorted[low]);
}
