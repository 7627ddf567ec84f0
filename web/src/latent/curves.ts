/** Curves through the latent space, defined by points and a blend between neighbors. */

import { SHELL } from "../contract";
import type { RunEntry } from "../contract";
import type { Images } from "../types";
import { norm, row, stack } from "./vectors";

export type Blend = "lerp" | "slerp";

/** A curve through its knots for t in [0, 1], at equal time steps unless times are given. */
export interface Curve {
  dim: number;
  knots: Float32Array; // rows, two or more
  blend: Blend;
  times: Float64Array; // time of each knot
  marks: number[]; // time of each anchor
}

export function curve(
  knots: Float32Array,
  dim: number,
  blend: Blend = "slerp",
  clock?: ArrayLike<number>,
  marks?: number[],
): Curve {
  const count = knots.length / dim;
  if (count < 2) throw new Error(`A curve needs at least 2 points, not ${count}.`);
  const times = clock ? Float64Array.from(clock) : steps(count);
  return { dim, knots, blend, times, marks: marks ?? Array.from(times) };
}

/** The closed curve that returns to its first knot. */
export function loop(knots: Float32Array, dim: number, blend: Blend = "slerp"): Curve {
  return curve(closed(knots, dim), dim, blend);
}

/** The straight line z + amount * step, for amounts from low to high. */
export function walk(z: Float32Array, step: Float32Array, low = -3, high = 3): Curve {
  const end = (amount: number) => z.map((value, i) => value + amount * step[i]);
  return curve(stack([end(low), end(high)]), z.length, "lerp");
}

/** slerp where the prior is a shell; lerp in few dimensions and without a prior. */
export function defaultBlend(run: Pick<RunEntry, "prior" | "dim">): Blend {
  return run.prior === "sphere" || (run.prior === "normal" && run.dim >= SHELL) ? "slerp" : "lerp";
}

/** The latents of a curve at these times, as rows. */
export function at(curve: Curve, times: ArrayLike<number>): Float32Array {
  const { dim, knots, blend } = curve;
  const between = blend === "slerp" ? slerp : lerp;
  const points = new Float32Array(times.length * dim);
  for (let i = 0; i < times.length; i++) {
    const segment = segmentAt(curve.times, times[i]);
    const [from, to] = [curve.times[segment], curve.times[segment + 1]];
    const t = Math.min(Math.max((times[i] - from) / Math.max(to - from, 1e-12), 0), 1);
    points.set(between(row(knots, dim, segment), row(knots, dim, segment + 1), Math.fround(t)), i * dim);
  }
  return points;
}

/** Latents at equal times, both ends included, as rows. */
export function sample(curve: Curve, frames: number): Float32Array {
  return at(curve, frames > 1 ? steps(frames) : [0]);
}

/** The number of the anchor whose time is nearest to t; halfway, the earlier one. */
export function nearestMark({ marks }: Pick<Curve, "marks">, t: number): number {
  const distances = marks.map((mark) => Math.abs(mark - t));
  return distances.indexOf(Math.min(...distances));
}

/** Linear interpolation. Under a normal prior it leaves the shell. */
export function lerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  return a.map((value, i) => value + t * (b[i] - value));
}

/**
 * Spherical interpolation with linearly blended norms, for normal and spherical priors.
 * Shoemake 1985, https://doi.org/10.1145/325165.325242 ; White 2016, https://arxiv.org/abs/1609.04468
 */
export function slerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  const [normA, normB] = [norm(a), norm(b)];
  // A zero vector has no direction.
  if (normA < 1e-12 || normB < 1e-12) return lerp(a, b, t);
  let cosine = 0;
  for (let i = 0; i < a.length; i++) cosine += (a[i] / normA) * (b[i] / normB);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  // Near angles of 0 and pi, linear interpolation is stable.
  const flat = sine < 1e-4;
  const length = normA + t * (normB - normA);
  const weightA = ((flat ? 1 - t : Math.sin((1 - t) * angle) / sine) * length) / normA;
  const weightB = ((flat ? t : Math.sin(t * angle) / sine) * length) / normB;
  return a.map((value, i) => weightA * value + weightB * b[i]);
}

/** Euclidean distance between each image and the one before it. */
export function changes(images: Images): Float64Array {
  const { count, rgba } = images;
  const size = rgba.length / count;
  return Float64Array.from({ length: count - 1 }, (_, i) => {
    let sum = 0;
    for (let j = i * size; j < (i + 1) * size; j++) sum += (rgba[j + size] - rgba[j]) ** 2;
    return Math.sqrt(sum);
  });
}

/**
 * The same curve, reparametrized so that the image changes at a constant rate.
 * `changes` are those between the images of `sample(curve, changes.length + 1)`.
 */
export function steady(given: Curve, changes: ArrayLike<number>): Curve {
  const pieces = changes.length;
  const total = Array.from(changes).reduce((sum, change) => sum + change, 0);
  if (!total) return given;
  // Keep a small part of the old times, so that time increases where no pixel changes.
  const rest = (total * 1e-3) / pieces;
  const clock = new Float64Array(pieces + 1);
  for (let i = 0; i < pieces; i++) clock[i + 1] = clock[i] + changes[i] + rest;
  const end = clock[pieces];
  for (let i = 0; i <= pieces; i++) clock[i] /= end;
  const marks = given.marks.map((mark) => {
    const piece = Math.min(Math.floor(mark * pieces), pieces - 1);
    return clock[piece] + (mark * pieces - piece) * (clock[piece + 1] - clock[piece]);
  });
  return curve(sample(given, pieces + 1), given.dim, "lerp", clock, marks);
}

/** The time of the given curve at time t of its `steady` curve. */
export function originalTime({ times }: Curve, t: number): number {
  const piece = segmentAt(times, t);
  return (piece + (t - times[piece]) / (times[piece + 1] - times[piece])) / (times.length - 1);
}

/** The knots, followed by the first knot. */
export function closed(knots: Float32Array, dim: number): Float32Array {
  const result = new Float32Array(knots.length + dim);
  result.set(knots);
  result.set(row(knots, dim, 0), knots.length);
  return result;
}

function steps(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => i / (count - 1));
}

function segmentAt(times: Float64Array, t: number): number {
  let [low, high] = [0, times.length - 1];
  while (low < high - 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle;
    else high = middle;
  }
  return low;
}
