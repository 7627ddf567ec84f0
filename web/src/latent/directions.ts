/** Directions: moving along them, making them orthogonal to others, and their side effects. */

import { orthogonalField, type Field, follow } from "./fields";
import { dot, mean, norm, row, subtract, unit } from "./vectors";

/** A named unit vector; amounts are in standard deviations of the latents along it. */
export interface Direction {
  name: string;
  vector: Float32Array;
  std: number; // standard deviation of the latents along the vector
  field?: Field; // of a nonlinear direction; `vector` is then its mean step
}

/** A logistic linear probe for each of several attributes. */
export interface Probes {
  names: string[];
  weights: Float32Array; // (names.length, dim)
  offsets: ArrayLike<number>;
}

/** Latents moved by an amount of each direction: linear directions first, then nonlinear ones. */
export function move(z: Float32Array, moves: Iterable<{ direction: Direction; amount: number }>): Float32Array {
  let moved: Float32Array = z.slice();
  const nonlinear: { field: Field; dim: number; amount: number }[] = [];
  for (const { direction, amount } of moves) {
    const { vector, std, field } = direction;
    if (field) nonlinear.push({ field, dim: vector.length, amount });
    else for (let i = 0; i < moved.length; i++) moved[i] += amount * std * vector[i % vector.length];
  }
  for (const { field, dim, amount } of nonlinear) moved = follow(field, moved, dim, amount);
  return moved;
}

/** The step of one standard deviation along a direction. */
export function stepOf(direction: Direction): Float32Array {
  return direction.vector.map((value) => value * direction.std);
}

/** Standard deviation of the latents along a unit vector; 1 where they do not vary. */
export function stdOf(vector: Float32Array, latents: Float32Array): number {
  const [dim, count] = [vector.length, latents.length / vector.length];
  let [sum, squares] = [0, 0];
  for (let i = 0; i < count; i++) {
    const position = dot(row(latents, dim, i), vector);
    sum += position;
    squares += position * position;
  }
  return Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 0)) || 1;
}

/** The same, estimated from the standard deviation of each dimension. */
export function stdFrom(vector: Float32Array, std: ArrayLike<number>): number {
  return norm(vector.map((value, i) => value * std[i])) || 1;
}

/** The direction made orthogonal to others, so that their probes stay constant. */
export function orthogonalTo(
  direction: Direction,
  others: { name: string; vector: Float32Array }[],
  std: (vector: Float32Array) => number,
): Direction {
  if (!others.length) return direction;
  const basis = basisOf(others.map((other) => other.vector));
  const names = others.map((other) => other.name).join(", ");
  if (direction.field) {
    return { ...direction, name: `${direction.name} without ${names}`, field: orthogonalField(direction.field, basis) };
  }
  const rest = orthogonal(direction.vector, basis);
  if (norm(rest) < 1e-3) {
    throw new Error(`The direction “${direction.name}” is parallel to ${names}, so nothing is left of it.`);
  }
  const vector = Float32Array.from(unit(rest));
  return { name: `${direction.name} without ${names}`, vector, std: std(vector) };
}

/** The direction from the mean of the rows `minus` to the mean of the rows `plus`. */
export function byExample(
  plus: Float32Array,
  minus: Float32Array,
  name: string,
  dim: number,
  std: (vector: Float32Array) => number,
): Direction {
  const difference = subtract(mean(plus, dim), mean(minus, dim));
  if (!(norm(difference) >= 1e-9)) {
    throw new Error(`The two groups of “${name}” have the same mean, so there is no direction between them.`);
  }
  const vector = Float32Array.from(unit(difference));
  return { name, vector, std: std(vector) };
}

/** The probability of each attribute for each latent, row by row. */
export function read(probes: Probes, z: Float32Array): Float32Array {
  const count = probes.names.length;
  if (!count) return new Float32Array();
  const dim = probes.weights.length / count;
  const result = new Float32Array((z.length / dim) * count);
  for (let i = 0; i < result.length; i++) {
    const probe = i % count;
    const logit = dot(row(z, dim, Math.floor(i / count)), row(probes.weights, dim, probe)) + probes.offsets[probe];
    result[i] = 0.5 * (1 + Math.tanh(0.5 * logit));
  }
  return result;
}

/** The mean change of each probe's probability when these latents move by an amount of the direction. */
export function effects(probes: Probes, direction: Direction, z: Float32Array, amount = 1): Record<string, number> {
  const [before, after] = [read(probes, z), read(probes, move(z, [{ direction, amount }]))];
  const count = probes.names.length;
  const change = probes.names.map((_, probe) => {
    let sum = 0;
    for (let i = probe; i < before.length; i += count) sum += after[i] - before[i];
    return (sum * count) / before.length;
  });
  return Object.fromEntries(probes.names.map((name, probe) => [name, change[probe]]));
}

/** An orthonormal basis of the span of these vectors. */
function basisOf(vectors: Float32Array[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    const rest = orthogonal(vector, basis);
    if (norm(rest) > 1e-6 * norm(vector)) basis.push(unit(rest));
  }
  return basis;
}

/** The vector made orthogonal to a basis; done twice against rounding. */
function orthogonal(vector: Float32Array, basis: Float64Array[]): Float64Array {
  const rest = Float64Array.from(vector);
  for (const axis of [...basis, ...basis]) {
    const along = dot(rest, axis);
    for (let i = 0; i < rest.length; i++) rest[i] -= along * axis[i];
  }
  return rest;
}
