/** Seeded random latents from the prior, or from a normal distribution fitted to the latents. */

import type { RunEntry } from "../contract";
import { norm } from "./vectors";

const MIXED = 4000; // latents whose weighted sums approximate the covariance

/** Numbers in [0, 1) of a seed and a stream: the hashes of a counter, as `zatlas.core.portable` computes them too. */
export function uniform(seed: number, stream = 0): () => number {
  let state = mix(mix(mix(Math.floor(seed / 2 ** 32)) ^ seed) ^ stream);
  return () => (mix((state = (state + 0x9e3779b9) | 0)) >>> 0) / 2 ** 32;
}

/** The finalizer of MurmurHash3, https://github.com/aappleby/smhasher */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
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
 * n latents from the prior. Without a prior of that space, from a normal distribution with the mean of the latents, and with their
 * covariance if the page has them, otherwise with the std of each dimension.
 */
export function draw(
  run: Pick<RunEntry, "prior" | "dim" | "mean" | "std">,
  n: number,
  { seed, temperature = 1, latents }: { seed: number; temperature?: number; latents?: Float32Array | null },
): Float32Array {
  const random = uniform(seed);
  const { dim } = run;
  if ((run.prior === "none" || run.prior === "mapped") && latents) return mixed(run, n, random, temperature, latents);
  const z = normals(n * dim, random);
  if (run.prior === "sphere") return onSphere(z, dim);
  if (run.prior === "normal") return z.map((value) => value * temperature);
  return z.map((v, i) => run.mean[i % dim] + v * temperature * run.std[i % dim]);
}

/** Randomly weighted sums of latents have their covariance, without a d x d matrix. */
function mixed(
  run: Pick<RunEntry, "dim" | "mean">,
  n: number,
  random: () => number,
  temperature: number,
  latents: Float32Array,
): Float32Array {
  const { dim, mean } = run;
  const count = Math.min(latents.length / dim, MIXED);
  const z = new Float32Array(n * dim);
  for (let i = 0; i < n; i++) {
    const sums = new Float64Array(dim);
    const weights = normals(count, random);
    for (let row = 0; row < count; row++) {
      for (let j = 0; j < dim; j++) sums[j] += weights[row] * (latents[row * dim + j] - mean[j]);
    }
    const by = temperature / Math.sqrt(count);
    z.set(
      sums.map((sum, j) => mean[j] + by * sum),
      i * dim,
    );
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
