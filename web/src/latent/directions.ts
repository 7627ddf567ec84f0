/** Directions that mean something: moving along them, keeping clear of others, and what else they move. */

import { clearOf, type Field, follow } from "./fields";
import { dot, mean, norm, subtract } from "./vectors";

/** A unit vector of the latent space with a name; amounts are in spreads of the data along it. */
export interface Direction {
  name: string;
  vector: Float32Array;
  spread: number; // standard deviation of the codes along the vector
  lead?: Field; // of a way that bends, which goes by this; its vector is where it leads on the mean
}

/** A plane for each of several attributes, with how sure its sides are. */
export interface Probes {
  names: string[];
  weights: Float32Array; // (names.length, dim)
  offsets: ArrayLike<number>;
}

/** A point, or rows of points, moved by so many spreads of each direction; the straight ones go first, then those that bend. */
export function move(
  z: Float32Array,
  ways: Iterable<{ direction: Direction; amount: number }>,
): Float32Array {
  let moved: Float32Array = z.slice();
  const bent: { lead: Field; dim: number; amount: number }[] = [];
  for (const { direction, amount } of ways) {
    const { vector, spread, lead } = direction;
    if (lead) bent.push({ lead, dim: vector.length, amount });
    else for (let i = 0; i < moved.length; i++) moved[i] += amount * spread * vector[i % vector.length];
  }
  for (const { lead, dim, amount } of bent) moved = follow(lead, moved, dim, amount);
  return moved;
}

/** One unit of a walk along a direction: see `walk`. */
export function stepOf(direction: Direction): Float32Array {
  return direction.vector.map((value) => value * direction.spread);
}

/** Standard deviation of the codes along a unit vector; 1 where they do not vary. */
export function spreadOf(vector: Float32Array, codes: Float32Array): number {
  const [dim, count] = [vector.length, codes.length / vector.length];
  let [sum, squares] = [0, 0];
  for (let row = 0; row < count; row++) {
    const place = dot(codes.subarray(row * dim, (row + 1) * dim), vector);
    sum += place;
    squares += place * place;
  }
  return Math.sqrt(Math.max(squares / count - (sum / count) ** 2, 0)) || 1;
}

/** The same as far as the deviation of each axis tells, where there are no codes at hand. */
export function spreadBy(vector: Float32Array, deviation: ArrayLike<number>): number {
  return norm(vector.map((value, i) => value * deviation[i])) || 1;
}

/** The direction with its part along others taken out: it then leaves their readings alone. */
export function without(
  direction: Direction,
  others: { name: string; vector: Float32Array }[],
  spread: (vector: Float32Array) => number,
): Direction {
  if (!others.length) return direction;
  const basis = basisOf(others.map((other) => other.vector));
  const names = others.map((other) => other.name).join(", ");
  if (direction.lead) {
    return { ...direction, name: `${direction.name} without ${names}`, lead: clearOf(direction.lead, basis) };
  }
  const rest = cleared(direction.vector, basis);
  if (norm(rest) < 1e-3) {
    throw new Error(`Nothing is left of “${direction.name}” without ${names}: they are the same.`);
  }
  const vector = unit(rest);
  return { name: `${direction.name} without ${names}`, vector, spread: spread(vector) };
}

/** From the mean of some points to the mean of others: what they have more of. */
export function byExample(
  plus: Float32Array,
  minus: Float32Array,
  name: string,
  dim: number,
  spread: (vector: Float32Array) => number,
): Direction {
  const apart = subtract(mean(plus, dim), mean(minus, dim));
  if (!(norm(apart) >= 1e-9)) {
    throw new Error(`The two groups of “${name}” have the same mean: no way leads from one to the other.`);
  }
  const vector = unit(Float64Array.from(apart));
  return { name, vector, spread: spread(vector) };
}

/** The sum of points with their signs: A - B + C. */
export function arithmetic(terms: { sign: 1 | -1; z: Float32Array }[]): Float32Array {
  const sum = new Float32Array(terms[0].z.length);
  for (const { sign, z } of terms) for (let i = 0; i < sum.length; i++) sum[i] += sign * z[i];
  return sum;
}

/** The probability of each attribute at each point, row by row. */
export function read(probes: Probes, z: Float32Array): Float32Array {
  const count = probes.names.length;
  if (!count) return new Float32Array();
  const dim = probes.weights.length / count;
  const read = new Float32Array((z.length / dim) * count);
  for (let i = 0; i < read.length; i++) {
    const [row, probe] = [Math.floor(i / count), i % count];
    const point = z.subarray(row * dim, (row + 1) * dim);
    const normal = probes.weights.subarray(probe * dim, (probe + 1) * dim);
    read[i] = 0.5 * (1 + Math.tanh(0.5 * (dot(point, normal) + probes.offsets[probe])));
  }
  return read;
}

/** The mean change of each probe over these points when they move by so many spreads. */
export function effects(
  probes: Probes,
  direction: Direction,
  z: Float32Array,
  amount = 1,
): Record<string, number> {
  const [before, after] = [read(probes, z), read(probes, move(z, [{ direction, amount }]))];
  const count = probes.names.length;
  const change = probes.names.map((_, probe) => {
    let sum = 0;
    for (let i = probe; i < before.length; i += count) sum += after[i] - before[i];
    return (sum * count) / before.length;
  });
  return Object.fromEntries(probes.names.map((name, probe) => [name, change[probe]]));
}

/** Unit vectors at right angles that span these; what adds nothing is left out. */
function basisOf(vectors: Float32Array[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    const rest = cleared(vector, basis);
    const length = norm(rest);
    if (length > 1e-6 * norm(vector)) basis.push(rest.map((value) => value / length));
  }
  return basis;
}

/** Twice, because the first time leaves what rounding left. */
function cleared(vector: Float32Array, basis: Float64Array[]): Float64Array {
  const rest = Float64Array.from(vector);
  for (const axis of [...basis, ...basis]) {
    const along = dot(rest, axis);
    for (let i = 0; i < rest.length; i++) rest[i] -= along * axis[i];
  }
  return rest;
}

function unit(vector: Float64Array): Float32Array {
  const length = norm(vector);
  return Float32Array.from(vector, (value) => value / length);
}
