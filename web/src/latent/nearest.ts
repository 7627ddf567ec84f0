/** Exact nearest neighbours among the codes of the page, and how far from the data a point lies. */

import type { Far, RunSite } from "../contract";

/** Of n points, k each: rows of the codes, nearest first, and their distances. */
export interface Near {
  k: number;
  rows: Int32Array;
  distances: Float32Array;
}

/** The k nearest codes of each of these points; k is at most the number of codes. */
export function nearest(codes: Float32Array, dim: number, z: Float32Array, k: number): Near {
  k = Math.min(k, codes.length / dim);
  const n = z.length / dim;
  const near = { k, rows: new Int32Array(n * k), distances: new Float32Array(n * k) };
  for (let i = 0; i < n; i++) {
    const [from, to] = [i * k, (i + 1) * k];
    const point = z.subarray(i * dim, (i + 1) * dim);
    scan(codes, dim, point, near.rows.subarray(from, to), near.distances.subarray(from, to));
  }
  return near;
}

/**
 * How far from the data, of each point: 1 is usual for codes, beyond 2 lies one code in a hundred.
 * Of each point's neighbours the first `density.neighbours` count, so there must be as many.
 */
export function far(near: Near, density: NonNullable<RunSite["density"]>): Far[] {
  const { usual, lonely, neighbours } = density;
  const step = lonely - usual || usual || 1;
  const counted = Math.min(neighbours, near.k);
  return Array.from({ length: near.k ? near.rows.length / near.k : 0 }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < counted; j++) sum += near.distances[i * near.k + j];
    return Math.max(0, 1 + (sum / counted - usual) / step);
  });
}

/** Fill in the nearest of one point, kept in order while the codes go by. */
function scan(
  codes: Float32Array,
  dim: number,
  z: Float32Array,
  rows: Int32Array,
  distances: Float32Array,
): void {
  const k = rows.length;
  const best = new Float64Array(k).fill(Infinity);
  const count = codes.length / dim;
  for (let row = 0, at = 0; row < count; row++, at += dim) {
    const square = squareTo(codes, at, z, dim);
    if (!(square < best[k - 1])) continue;
    let slot = k - 1;
    for (; slot > 0 && best[slot - 1] > square; slot--) {
      best[slot] = best[slot - 1];
      rows[slot] = rows[slot - 1];
    }
    best[slot] = square;
    rows[slot] = row;
  }
  for (let i = 0; i < k; i++) distances[i] = Math.sqrt(best[i]);
}

/** Four sums side by side: a processor adds them at the same time. */
function squareTo(codes: Float32Array, at: number, z: Float32Array, dim: number): number {
  let first = 0; // not taken from a list: that made it half as fast
  let second = 0;
  let third = 0;
  let fourth = 0;
  let i = 0;
  for (; i + 3 < dim; i += 4) {
    const a = codes[at + i] - z[i];
    const b = codes[at + i + 1] - z[i + 1];
    const c = codes[at + i + 2] - z[i + 2];
    const d = codes[at + i + 3] - z[i + 3];
    first += a * a;
    second += b * b;
    third += c * c;
    fourth += d * d;
  }
  for (; i < dim; i++) first += (codes[at + i] - z[i]) ** 2;
  return first + second + third + fourth;
}
