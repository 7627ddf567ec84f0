/** Exact nearest neighbors among the latents of the page, and the distance from the data. */

import type { DensityEntry } from "../contract";

/** The k nearest rows of each of n latents, nearest first, with distances; both (n, k). */
export interface Neighbors {
  k: number;
  rows: Int32Array;
  distances: Float32Array;
}

/** The k nearest latents of each row of z; k is limited to the number of latents. */
export function nearest(latents: Float32Array, dim: number, z: Float32Array, k: number): Neighbors {
  k = Math.min(k, latents.length / dim);
  const n = z.length / dim;
  const result = { k, rows: new Int32Array(n * k), distances: new Float32Array(n * k) };
  for (let i = 0; i < n; i++) {
    const [from, to] = [i * k, (i + 1) * k];
    const point = z.subarray(i * dim, (i + 1) * dim);
    scan(latents, dim, point, result.rows.subarray(from, to), result.distances.subarray(from, to));
  }
  return result;
}

/** The relative distance from the data of each latent in z, whose neighbors are given; see DensityEntry. */
export function relativeDistances(neighbors: Neighbors, z: Float32Array, density: DensityEntry): number[] {
  const k = Math.min(density.neighbors, neighbors.k);
  return Array.from({ length: k ? neighbors.rows.length / neighbors.k : 0 }, (_, i) => {
    const { norm, noise } = lengths(z, i, density);
    let sum = 0;
    for (let j = 0; j < k; j++) sum += Math.sqrt(Math.max(0, neighbors.distances[i * neighbors.k + j] ** 2 - noise));
    const gap = onScale(sum / k, density.distance_scale);
    const shell = onScale(Math.abs(norm - density.typical_norm), density.norm_scale);
    return Math.max(0, onScale(Math.max(gap, shell), density.scale));
  });
}

/** The norm of the i-th latent in standard deviations, and its squared length along dimensions of noise. */
function lengths(z: Float32Array, i: number, density: DensityEntry): { norm: number; noise: number } {
  const { center, weights } = density;
  let [norm, noise] = [0, 0];
  for (let j = 0; j < center.length; j++) {
    const square = (z[i * center.length + j] - center[j]) ** 2;
    norm += square * weights[j];
    if (weights[j] === 0) noise += square;
  }
  return { norm: Math.sqrt(norm), noise };
}

const onScale = (value: number, [one, two]: [number, number]) => 1 + (value - one) / (two - one);

/** Find the nearest rows of one latent by insertion into a sorted list. */
function scan(latents: Float32Array, dim: number, z: Float32Array, rows: Int32Array, distances: Float32Array): void {
  const k = rows.length;
  const best = new Float64Array(k).fill(Infinity);
  const count = latents.length / dim;
  for (let row = 0, at = 0; row < count; row++, at += dim) {
    const square = squareTo(latents, at, z, dim);
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

/** Squared distance, with four independent sums that the processor adds in parallel. */
function squareTo(latents: Float32Array, at: number, z: Float32Array, dim: number): number {
  let first = 0; // separate variables: a list made it half as fast
  let second = 0;
  let third = 0;
  let fourth = 0;
  let i = 0;
  for (; i + 3 < dim; i += 4) {
    const a = latents[at + i] - z[i];
    const b = latents[at + i + 1] - z[i + 1];
    const c = latents[at + i + 2] - z[i + 2];
    const d = latents[at + i + 3] - z[i + 3];
    first += a * a;
    second += b * b;
    third += c * c;
    fourth += d * d;
  }
  for (; i < dim; i++) first += (latents[at + i] - z[i]) ** 2;
  return first + second + third + fourth;
}
