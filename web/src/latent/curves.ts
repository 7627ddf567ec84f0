/** Curves through the latent space. Whatever moves is a `Curve`; whatever shows samples one. */

import type { Pictures, RunSite } from "../contract";
import { norm, row, stack } from "./vectors";

export type Blend = "lerp" | "slerp";

/** Through its stops for t in [0, 1]: by equal time between each two, unless a clock was given. */
export interface Curve {
  dim: number;
  stops: Float32Array; // rows, two or more
  blend: Blend;
  times: Float64Array; // when each stop is reached
  marks: number[]; // when each stop that somebody asked for is reached
}

const SHELL = 8; // axes from which on a normal prior is a shell rather than a heap

export function curve(
  stops: Float32Array,
  dim: number,
  blend: Blend = "slerp",
  clock?: ArrayLike<number>,
  marks?: number[],
): Curve {
  const count = stops.length / dim;
  if (count < 2) throw new Error(`A way leads between 2 points or more; it was given ${count}.`);
  const times = clock ? Float64Array.from(clock) : steps(count);
  return { dim, stops, blend, times, marks: marks ?? Array.from(times) };
}

/** The curve that comes back to its first stop. */
export function loop(stops: Float32Array, dim: number, blend: Blend = "slerp"): Curve {
  return curve(closed(stops, dim), dim, blend);
}

/** From one point along a direction: `step` is one unit of the amounts low and high. */
export function walk(z: Float32Array, step: Float32Array, low = -3, high = 3): Curve {
  const end = (amount: number) => z.map((value, i) => value + amount * step[i]);
  return curve(stack([end(low), end(high)]), z.length, "lerp");
}

/** The arc where the prior is a shell; the line in few axes, and where there is no prior. */
export function usualBlend(run: Pick<RunSite, "prior" | "dim">): Blend {
  return run.prior === "sphere" || (run.prior === "normal" && run.dim >= SHELL) ? "slerp" : "lerp";
}

/** The points of a curve at these times, as rows. */
export function at(curve: Curve, times: ArrayLike<number>): Float32Array {
  const { dim, stops, blend } = curve;
  const between = blend === "slerp" ? slerp : lerp;
  const points = new Float32Array(times.length * dim);
  for (let i = 0; i < times.length; i++) {
    const leg = legAt(curve.times, times[i]);
    const [from, to] = [curve.times[leg], curve.times[leg + 1]];
    const t = Math.min(Math.max((times[i] - from) / Math.max(to - from, 1e-12), 0), 1);
    points.set(between(row(stops, dim, leg), row(stops, dim, leg + 1), Math.fround(t)), i * dim);
  }
  return points;
}

/** Points at equal times, both ends included, as rows. */
export function sample(curve: Curve, frames: number): Float32Array {
  return at(curve, frames > 1 ? steps(frames) : [0]);
}

/** The straight line. Right for auto-encoders; under a normal prior it cuts inside the shell. */
export function lerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  return a.map((value, i) => value + t * (b[i] - value));
}

/**
 * The great arc, with norms blended in between. Right for a normal or spherical prior.
 * Shoemake 1985, https://doi.org/10.1145/325165.325242 ; White 2016, https://arxiv.org/abs/1609.04468
 */
export function slerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  const [normA, normB] = [norm(a), norm(b)];
  // An end at the centre has no direction to turn from.
  if (normA < 1e-12 || normB < 1e-12) return lerp(a, b, t);
  let cosine = 0;
  for (let i = 0; i < a.length; i++) cosine += (a[i] / normA) * (b[i] / normB);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  const sine = Math.sin(angle);
  // Near 0 the arc is the chord; near pi every arc is as good, and the line is defined.
  const flat = sine < 1e-4;
  const length = normA + t * (normB - normA);
  const weightA = ((flat ? 1 - t : Math.sin((1 - t) * angle) / sine) * length) / normA;
  const weightB = ((flat ? t : Math.sin(t * angle) / sine) * length) / normB;
  return a.map((value, i) => weightA * value + weightB * b[i]);
}

/** How far each picture is from the one before it: the root of the sum of squared differences. */
export function changes(pictures: Pictures): Float64Array {
  const { count, rgba } = pictures;
  const size = rgba.length / count;
  return Float64Array.from({ length: count - 1 }, (_, i) => {
    let sum = 0;
    for (let j = i * size; j < (i + 1) * size; j++) sum += (rgba[j + size] - rgba[j]) ** 2;
    return Math.sqrt(sum);
  });
}

/** The same curve walked so that the picture changes by the same amount in the same time.
 * The changes are those between the pictures of `sample(curve, changes.length + 1)`. */
export function steady(given: Curve, changes: ArrayLike<number>): Curve {
  const pieces = changes.length;
  const total = Array.from(changes).reduce((sum, change) => sum + change, 0);
  if (!total) return given;
  // A little of the old clock remains, so that time goes on even where no pixel changes.
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

/** The stops, and the first once more. */
export function closed(stops: Float32Array, dim: number): Float32Array {
  const again = new Float32Array(stops.length + dim);
  again.set(stops);
  again.set(row(stops, dim, 0), stops.length);
  return again;
}

function steps(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => i / (count - 1));
}

function legAt(times: Float64Array, t: number): number {
  let [low, high] = [0, times.length - 1];
  while (low < high - 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle;
    else high = middle;
  }
  return low;
}
