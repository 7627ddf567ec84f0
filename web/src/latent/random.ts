/** Seeded random points: of the prior, or of what the codes suggest where there is none. */

import type { RunSite } from "../contract";
import { norm } from "./vectors";

const MIXED = 4000; // codes whose sums have a covariance near enough to that of all

/** Numbers in [0, 1): the same ones for the same seed. sfc32, https://pracrand.sourceforge.net/RNG_engines.txt */
export function uniform(seed: number): () => number {
  let [a, b, c, count] = [0x9e3779b9, seed | 0, Math.floor(seed / 2 ** 32) | 0, 1];
  const next = () => {
    const sum = (((a + b) | 0) + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next(); // until the seed is everywhere
  return next;
}

/** Values of the standard normal distribution: Box and Muller 1958, https://doi.org/10.1214/aoms/1177706645 */
export function normals(count: number, random: () => number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/**
 * Rows drawn from the prior. Where there is none, from the normal distribution that the codes suggest: with
 * their covariance if they are at hand, else with the deviation of each axis.
 */
export function draw(
  run: Pick<RunSite, "prior" | "dim" | "middle" | "deviation">,
  n: number,
  { seed, temperature = 1, codes }: { seed: number; temperature?: number; codes?: Float32Array | null },
): Float32Array {
  const random = uniform(seed);
  const { dim } = run;
  if (run.prior === "none" && codes) return mixed(run, n, random, temperature, codes);
  const z = normals(n * dim, random);
  if (run.prior === "sphere") return onSphere(z, dim);
  if (run.prior === "normal") return z.map((value) => value * temperature);
  return z.map((v, i) => run.middle[i % dim] + v * temperature * run.deviation[i % dim]);
}

/** Of n codes, their weighted sums have the codes' covariance: no d x d matrix is needed. */
function mixed(
  run: Pick<RunSite, "dim" | "middle">,
  n: number,
  random: () => number,
  temperature: number,
  codes: Float32Array,
): Float32Array {
  const { dim, middle } = run;
  const count = Math.min(codes.length / dim, MIXED);
  const z = new Float32Array(n * dim);
  for (let i = 0; i < n; i++) {
    const sums = new Float64Array(dim);
    const weights = normals(count, random);
    for (let row = 0; row < count; row++) {
      for (let j = 0; j < dim; j++) sums[j] += weights[row] * (codes[row * dim + j] - middle[j]);
    }
    const by = temperature / Math.sqrt(count);
    z.set(sums.map((sum, j) => middle[j] + by * sum), i * dim);
  }
  return z;
}

function onSphere(z: Float32Array, dim: number): Float32Array {
  for (let start = 0; start < z.length; start += dim) {
    const point = z.subarray(start, start + dim);
    const length = norm(point);
    for (let j = 0; j < dim; j++) point[j] /= length;
  }
  return z;
}
