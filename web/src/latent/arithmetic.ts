/** Arithmetic of latents, as `zatlas.latent.arithmetic` computes it: means of groups, and sums of these means. */

import { MAX_ON_SHELL, type RunEntry } from "../contract";
import { defaultBlend } from "./curves";
import { norm, row } from "./vectors";

const TINY = 1e-6; // share of the norm below which a sum has no direction

/** Latents, as rows, whose mean is added or subtracted; a step is that of a direction, not near the data. */
export interface Summand {
  sign: 1 | -1;
  latents: Float32Array;
  step?: boolean;
}

type Space = Pick<RunEntry, "prior" | "dim">;

/** The mean of a group; the mean of a few latents near a sphere has their mean norm. */
export function meanLatent(latents: Float32Array, space: Space): Float32Array {
  const mean = plainMean(latents, space.dim);
  return Float32Array.from(keepsNorm(latents, space) ? withNorm(mean, meanNorm(latents, space.dim)) : mean);
}

/** The sum of the signed plain means; with few latents near a sphere, it gets the mean norm of the latents. */
export function combine(terms: readonly Summand[], space: Space): Float32Array {
  const { dim } = space;
  let total: Float64Array<ArrayBufferLike> = new Float64Array(dim);
  for (const { sign, latents } of terms) {
    const mean = plainMean(latents, dim);
    for (let j = 0; j < dim; j++) total[j] += sign * mean[j];
  }
  const located = terms.filter(({ step }) => !step).map(({ latents }) => latents);
  if (located.some((latents) => keepsNorm(latents, space))) {
    const norms = located.map((latents) => meanNorm(latents, dim));
    total = withNorm(total, norms.reduce((sum, value) => sum + value, 0) / norms.length);
  }
  return Float32Array.from(total);
}

function keepsNorm(latents: Float32Array, space: Space): boolean {
  return defaultBlend(space) === "slerp" && latents.length / space.dim <= MAX_ON_SHELL;
}

function plainMean(latents: Float32Array, dim: number): Float64Array {
  const count = latents.length / dim;
  const sums = new Float64Array(dim);
  for (let i = 0; i < latents.length; i++) sums[i % dim] += latents[i];
  return sums.map((sum) => sum / count);
}

function meanNorm(latents: Float32Array, dim: number): number {
  const count = latents.length / dim;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += norm(row(latents, dim, i));
  return sum / count;
}

function withNorm(vector: Float64Array, length: number): Float64Array {
  const own = norm(vector);
  return own <= TINY * length ? vector : vector.map((value) => (value * length) / own);
}
