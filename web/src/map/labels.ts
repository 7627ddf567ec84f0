/** Class labels on the map, without overlaps. */

import type { Box } from "./camera";
import { densityOf } from "./density";

/** The densest position of a class. */
export interface ClassCenter {
  value: number;
  x: number;
  y: number;
  weight: number; // points of the class
}

/** A text with the position of its center and its size. */
export interface Label {
  text: string;
  x: number;
  y: number;
  weight: number; // the heavier is placed first
  width: number;
  height: number;
}

const CELLS = 40;

/** The densest position of each class that has points. */
export function classCenters(
  positions: Float32Array,
  values: ArrayLike<number>,
  classes: number,
  box: Box,
  mask: Uint8Array | null = null,
): ClassCenter[] {
  return positionsByClass(positions, values, classes, mask).flatMap((own, value) => {
    if (!own.length) return [];
    const [x, y] = densest(own, box);
    return [{ value, x, y, weight: own.length / 2 }];
  });
}

function positionsByClass(
  positions: Float32Array,
  values: ArrayLike<number>,
  classes: number,
  mask: Uint8Array | null,
): Float32Array[] {
  const counted = (row: number): boolean => values[row] < classes && (!mask || mask[row] > 0);
  const counts = new Int32Array(classes);
  for (let row = 0; row < values.length; row++) if (counted(row)) counts[values[row]]++;
  const own = Array.from(counts, (count) => new Float32Array(2 * count));
  const next = new Int32Array(classes);
  for (let row = 0; row < values.length; row++) {
    if (!counted(row)) continue;
    const value = values[row];
    own[value][next[value]++] = positions[2 * row];
    own[value][next[value]++] = positions[2 * row + 1];
  }
  return own;
}

/** The density-weighted mean of the densest cell and its neighbors. */
function densest(positions: Float32Array, box: Box): [number, number] {
  const { values, across, left, bottom, step } = densityOf(positions, box, null, CELLS);
  let best = 0;
  for (let cell = 1; cell < values.length; cell++) if (values[cell] > values[best]) best = cell;
  const [i, j] = [best % across, Math.floor(best / across)];
  let [sum, x, y] = [0, 0, 0];
  for (let dj = -1; dj <= 1; dj++) {
    for (let di = -1; di <= 1; di++) {
      const value = values[best + dj * across + di] || 0;
      sum += value;
      x += value * (i + di + 0.5);
      y += value * (j + dj + 0.5);
    }
  }
  if (sum > 0) return [left + (x / sum) * step, bottom + (y / sum) * step];
  return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
}

// Offsets to try when a position is occupied, in widths and heights of the text.
const OFFSETS = [
  [0, 0],
  [0, -1.15],
  [0, 1.15],
  [0.75, 0],
  [-0.75, 0],
  [0.75, -1.15],
  [-0.75, -1.15],
  [0.75, 1.15],
  [-0.75, 1.15],
  [0, -2.3],
  [0, 2.3],
  [1.2, 0],
  [-1.2, 0],
];
const GAP = 2;

/** The labels that fit inside the bounds, heaviest first; x and y are the center of the text. */
export function placeLabels(
  labels: readonly Label[],
  bounds: { width: number; height: number },
): { text: string; x: number; y: number }[] {
  const placed: Label[] = [];
  for (const label of [...labels].sort((a, b) => b.weight - a.weight)) {
    if (label.x < 0 || label.y < 0 || label.x > bounds.width || label.y > bounds.height) continue;
    for (const [across, down] of OFFSETS) {
      const tried = {
        ...label,
        ...inside(label, label.x + across * label.width, label.y + down * label.height, bounds),
      };
      if (placed.some((other) => collide(tried, other))) continue;
      placed.push(tried);
      break;
    }
  }
  return placed.map(({ text, x, y }) => ({ text, x, y }));
}

function inside(
  label: Label,
  x: number,
  y: number,
  bounds: { width: number; height: number },
): { x: number; y: number } {
  const hold = (value: number, half: number, end: number): number => Math.max(half, Math.min(end - half, value));
  return { x: hold(x, label.width / 2, bounds.width), y: hold(y, label.height / 2, bounds.height) };
}

function collide(a: Label, b: Label): boolean {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 + GAP && Math.abs(a.y - b.y) < (a.height + b.height) / 2 + GAP;
}
