/** Curves with a shape: splines, spirals, and lines drawn by hand. */

import { DENSE } from "../contract";
import { type Curve, closed as closing, curve } from "./curves";
import { norm, row } from "./vectors";

const TRACED = 720; // straight pieces of a formula
const DRAWN = 240; // and of a line drawn by hand

/** Latents, row by row, at positions given as pairs. */
export type Inverse = (positions: Float32Array) => Float32Array;

/**
 * A cubic spline through its knots. With `norms`, unit vectors and log-norms are interpolated separately, so that
 * the curve stays on the shell.
 */
export function spline(
  knots: Float32Array,
  dim: number,
  { closed = false, norms = false }: { closed?: boolean; norms?: boolean } = {},
): Curve {
  if (closed) knots = closing(knots, dim);
  const count = knots.length / dim;
  if (count < 2) throw new Error(`A curve needs at least 2 points, not ${count}.`);
  const lengths = Float64Array.from({ length: count }, (_, i) => Math.max(norm(row(knots, dim, i)), 1e-12));
  const shape = Float64Array.from(knots, (v, i) => (norms ? v / lengths[Math.floor(i / dim)] : v));
  const path = smooth(shape, dim, closed);
  if (norms) stretch(path, dim, smooth(lengths.map(Math.log), 1, closed));
  for (let i = 0; i < count; i++) path.set(row(knots, dim, i), i * DENSE * dim);
  const marks = Array.from({ length: count }, (_, i) => i / (count - 1));
  return curve(Float32Array.from(path), dim, "lerp", undefined, marks);
}

/** Any parametric formula in the plane, for its parameter from 0 to 1. */
export function trace(formula: (t: number) => [number, number]): Curve {
  const positions = new Float32Array(2 * (TRACED + 1));
  for (let i = 0; i <= TRACED; i++) positions.set(formula(i / TRACED), 2 * i);
  return curve(positions, 2, "lerp", undefined, []);
}

/** A spiral from the origin outwards, up to `extent`. */
export function spiral({ turns = 4, extent = 2 }: { turns?: number; extent?: number } = {}): Curve {
  const angle = 2 * Math.PI * turns;
  return trace((t) => [t * Math.cos(angle * t) * extent, t * Math.sin(angle * t) * extent]);
}

/** A plane curve moved to (x, y) and scaled by `unit`. */
export function placed(plane: Curve, x: number, y: number, unit: number): Curve {
  const knots = plane.knots.map((value, i) => (i % 2 ? y : x) + value * unit);
  return { ...plane, knots };
}

/** The latent curve under a plane curve of the chart. */
export function overChart(plane: Curve, dim: number, inverse: Inverse): Curve {
  return curve(inverse(plane.knots), dim, "lerp", plane.times, plane.marks);
}

/** A hand-drawn line as a plane curve: smoothed, at constant speed. */
export function freehand(positions: Float32Array, pieces = DRAWN): Curve {
  const steady = resampled(smoothed(resampled(positions, pieces)), pieces);
  return curve(steady, 2, "lerp", undefined, []);
}

/** Positions at equal distances along a polyline, both ends included. */
function resampled(positions: Float32Array, pieces: number): Float32Array {
  const count = positions.length / 2;
  const length = new Float64Array(count);
  for (let i = 1; i < count; i++) {
    const [dx, dy] = [positions[2 * i] - positions[2 * i - 2], positions[2 * i + 1] - positions[2 * i - 1]];
    length[i] = length[i - 1] + Math.hypot(dx, dy);
  }
  const result = new Float32Array(2 * (pieces + 1));
  for (let i = 0, segment = 0; i <= pieces; i++) {
    const wanted = (length[count - 1] * i) / pieces;
    while (segment < count - 2 && length[segment + 1] < wanted) segment++;
    const t = (wanted - length[segment]) / Math.max(length[segment + 1] - length[segment], 1e-12);
    for (const k of [0, 1]) {
      const from = positions[2 * segment + k];
      result[2 * i + k] = from + Math.min(t, 1) * (positions[2 * segment + 2 + k] - from);
    }
  }
  return result;
}

/** The polyline after four passes of a moving average; the ends stay. */
function smoothed(positions: Float32Array): Float32Array {
  let line = positions;
  for (let round = 0; round < 4; round++) {
    line = line.map((value, i) =>
      i < 2 || i >= line.length - 2 ? value : (line[i - 2] + 2 * value + line[i + 2]) / 4,
    );
  }
  return line;
}

/** Cubic pieces through rows at 0, 1, 2 ..., at DENSE steps a piece. */
function smooth(rows: Float64Array, dim: number, closed: boolean): Float64Array {
  const segments = rows.length / dim - 1;
  const path = new Float64Array((segments * DENSE + 1) * dim);
  for (let j = 0; j < dim; j++) {
    const values = Float64Array.from({ length: segments + 1 }, (_, i) => rows[i * dim + j]);
    const second = closed ? periodicSecond(values) : naturalSecond(values);
    for (let i = 0; i <= segments * DENSE; i++) {
      const segment = Math.min(Math.floor(i / DENSE), segments - 1);
      path[i * dim + j] = piece(values, second, segment, i / DENSE - segment);
    }
  }
  return path;
}

function piece(values: Float64Array, second: Float64Array, segment: number, t: number): number {
  const s = 1 - t;
  const curved = (s ** 3 - s) * second[segment] + (t ** 3 - t) * second[segment + 1];
  return s * values[segment] + t * values[segment + 1] + curved / 6;
}

/** Second derivatives of a natural spline at the knots: zero at the ends. */
function naturalSecond(values: Float64Array): Float64Array {
  const second = new Float64Array(values.length);
  const inner = values.length - 2;
  if (inner > 0) second.set(solve(4, 4, curvature(values, inner)), 1);
  return second;
}

/** Second derivatives of a periodic spline at the knots. */
function periodicSecond(values: Float64Array): Float64Array {
  const n = values.length - 1;
  const right = Float64Array.from({ length: n }, (_, i) => {
    const before = values[i ? i - 1 : n - 1];
    return 6 * (values[i + 1] - 2 * values[i] + before);
  });
  const second = new Float64Array(n + 1);
  second.set(ring(right));
  second[n] = second[0];
  return second;
}

function curvature(values: Float64Array, inner: number): Float64Array {
  return Float64Array.from({ length: inner }, (_, i) => {
    return 6 * (values[i] - 2 * values[i + 1] + values[i + 2]);
  });
}

/** The system with 1, 4, 1 in every row and `first`, `last` in the corners of the diagonal. */
function solve(first: number, last: number, right: Float64Array): Float64Array {
  const n = right.length;
  const [over, result] = [new Float64Array(n), Float64Array.from(right)];
  for (let i = 0, before = 0; i < n; i++) {
    const own = i === 0 ? first : i === n - 1 ? last : 4;
    const pivot = own - (i ? before : 0);
    result[i] = (result[i] - (i ? result[i - 1] : 0)) / pivot;
    before = over[i] = 1 / pivot;
  }
  for (let i = n - 2; i >= 0; i--) result[i] -= over[i] * result[i + 1];
  return result;
}

/** The same system closed to a ring: with the Sherman-Morrison formula. */
function ring(right: Float64Array): Float64Array {
  const n = right.length;
  if (n === 1) return Float64Array.of(right[0] / 6);
  if (n === 2) return pair(right);
  const corner = Float64Array.from({ length: n }, (_, i) => (i === 0 ? -4 : i === n - 1 ? 1 : 0));
  const plain = solve(8, 4.25, right);
  const other = solve(8, 4.25, corner);
  const by = (plain[0] - plain[n - 1] / 4) / (1 + other[0] - other[n - 1] / 4);
  return plain.map((value, i) => value - by * other[i]);
}

function pair([a, b]: Float64Array): Float64Array {
  return Float64Array.of((4 * a - 2 * b) / 12, (4 * b - 2 * a) / 12);
}

function stretch(path: Float64Array, dim: number, logs: Float64Array): void {
  for (let i = 0; i < logs.length; i++) {
    const own = path.subarray(i * dim, (i + 1) * dim);
    const by = Math.exp(logs[i]) / Math.max(norm(own), 1e-12);
    for (let j = 0; j < dim; j++) own[j] *= by;
  }
}
