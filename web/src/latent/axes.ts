/** Charts made in the page: any two of the latent axes. */

import type { Plane } from "./chart";
import { mean } from "./vectors";

const MARGIN = 0.02; // of the box around the places, on each side
const ASKED = 300; // places that tell the usual reach
const AROUND = 17; // neighbours within it, the place itself being the first

export interface OwnChart extends Plane {
  name: string; // "axes 3 7"
  title: string;
  places: { x: Float32Array; y: Float32Array };
}

/** The chart of two latent axes. */
export function ownAxes(codes: Float32Array, dim: number, i: number, j: number): OwnChart {
  const x = column(codes, dim, i);
  const y = column(codes, dim, j);
  const middle = mean(codes, dim);
  const axes = new Array<number>(2 * dim).fill(0);
  axes[i] = axes[dim + j] = 1;
  return {
    name: `axes ${i} ${j}`,
    title: `Axes ${i} and ${j}`,
    places: { x, y },
    box: boxAround(x, y),
    frame: { axes, middle: Array.from(middle), origin: [middle[i], middle[j]] },
    reach: reachOf(x, y),
  };
}

function column(codes: Float32Array, dim: number, axis: number): Float32Array {
  return Float32Array.from({ length: codes.length / dim }, (_, row) => codes[row * dim + axis]);
}

function boxAround(x: Float32Array, y: Float32Array): [number, number, number, number] {
  const [left, right] = range(x);
  const [bottom, top] = range(y);
  const least = 1e-6 + 1e-3 * Math.max(right - left, top - bottom);
  const [dx, dy] = [right - left, top - bottom].map((wide) => MARGIN * Math.max(wide, least));
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

/** How far the 17th nearest of a place is at most, but for the loneliest hundredth. */
function reachOf(x: Float32Array, y: Float32Array): number {
  const step = Math.max(1, Math.floor(x.length / ASKED));
  const reaches: number[] = [];
  for (let row = 0; row < x.length; row += step) {
    const squares = x.map((value, i) => (value - x[row]) ** 2 + (y[i] - y[row]) ** 2).sort();
    reaches.push(Math.sqrt(squares[Math.min(AROUND, squares.length) - 1]));
  }
  reaches.sort((a, b) => a - b);
  return quantile(reaches, 0.99);
}

function quantile(sorted: number[], share: number): number {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}
