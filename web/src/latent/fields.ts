/** Ways that bend: fields that tell where one spread leads from each point, followed step by step. */

import { dot, norm } from "./vectors";

const STEP = 0.375; // spreads that are gone at once

/** Where one spread leads from a point. */
export type Field = (z: Float64Array) => Float64Array;

/** What a page is told of a field beside its numbers. */
export interface FieldAbout {
  field: "uphill" | "wind";
  sizes: number[]; // axes, units of either hidden layer, answers
  hold: number; // how softly the other answers are held; 0 would let nothing of them move
}

interface Layer {
  weights: Float32Array; // (from, to)
  offsets: Float32Array;
}

interface Net {
  middle: Float32Array;
  spread: Float32Array;
  layers: [Layer, Layer, Layer];
}

/** The field of a file: the middle and the spread of the codes, the weights of three layers, their offsets. */
export function readField({ field, sizes, hold }: FieldAbout, numbers: Float32Array): Field {
  const lengths = [sizes[0], sizes[0], ...[0, 1, 2].map((i) => sizes[i] * sizes[i + 1]), ...sizes.slice(1)];
  const whole = lengths.reduce((sum, length) => sum + length, 0);
  if (whole !== numbers.length) throw new Error(`A field of ${whole} numbers has come with ${numbers.length}.`);
  let at = 0;
  const [middle, spread, ...rest] = lengths.map((length) => numbers.subarray(at, (at += length)));
  const layer = (i: number): Layer => ({ weights: rest[i], offsets: rest[i + 3] });
  const net: Net = { middle, spread, layers: [layer(0), layer(1), layer(2)] };
  return field === "wind" ? (z) => wind(net, z) : (z) => uphill(net, z, hold);
}

/** Rows of points, moved so many spreads along a field: by the midpoint, so that the way back ends where it began. */
export function follow(field: Field, rows: Float32Array, dim: number, spreads: number): Float32Array {
  const steps = Math.max(Math.ceil(Math.abs(spreads) / STEP), 1);
  const each = spreads / steps;
  const moved = rows.slice();
  for (let start = 0; start < moved.length; start += dim) {
    let z = Float64Array.from(moved.subarray(start, start + dim));
    for (let step = 0; step < steps; step++) z = along(z, field(along(z, field(z), each / 2)), each);
    moved.set(z, start);
  }
  return moved;
}

/** The same field without what it has along some unit vectors that are at right angles. */
export function clearOf(field: Field, basis: Float64Array[]): Field {
  return (z) => {
    const lead = field(z);
    for (const axis of basis) {
      const part = dot(lead, axis);
      for (let i = 0; i < lead.length; i++) lead[i] -= part * axis[i];
    }
    return lead;
  };
}

function along(z: Float64Array, lead: Float64Array, amount: number): Float64Array<ArrayBuffer> {
  return Float64Array.from(z, (value, i) => value + amount * lead[i]);
}

/** What the net says, as it is. */
function wind(net: Net, z: Float64Array): Float64Array {
  const { bend, last } = hidden(net, z);
  return times(net.layers[2], last).map((value, i) => (value + bend[i]) * net.spread[i]);
}

/** One spread up the slope of the first answer, the slopes of the others taken out softly. */
function uphill(net: Net, z: Float64Array, hold: number): Float64Array {
  const [up, ...others] = slopes(net, z);
  const units = others.map((slope) => scaled(slope, 1 / Math.max(norm(slope), 1e-9)));
  if (units.length) {
    const square = units.map((a, i) => Float64Array.from(units, (b, j) => dot(a, b) + (i === j ? hold : 0)));
    const share = solve(square, Float64Array.from(units, (unit) => dot(unit, up)));
    units.forEach((unit, k) => {
      for (let i = 0; i < up.length; i++) up[i] -= share[k] * unit[i];
    });
  }
  const length = Math.max(norm(up), 1e-9);
  return up.map((value, i) => (value / length) * net.spread[i]);
}

/** How each answer changes with each coordinate, by spreads. */
function slopes(net: Net, z: Float64Array): Float64Array[] {
  const { steep, steeper, last } = hidden(net, z);
  const [first, second, third] = net.layers;
  const answers = third.offsets.length;
  return Array.from({ length: answers }, (_, answer) => {
    const end = Float64Array.from(last, (_, unit) => third.weights[unit * answers + answer] * steeper[unit]);
    const back = backwards(second, end).map((value, unit) => value * steep[unit]);
    return backwards(first, back);
  });
}

/** The last hidden layer, the slopes of both, and the offsets of the answers. */
function hidden(net: Net, z: Float64Array) {
  const [first, second, third] = net.layers;
  const x = z.map((value, i) => (value - net.middle[i]) / net.spread[i]);
  const one = silu(times(first, x), first.offsets);
  const two = silu(times(second, one.value), second.offsets);
  return { steep: one.slope, steeper: two.slope, last: two.value, bend: third.offsets };
}

/** x times its logistic, which never flattens on one side, and its slope. */
function silu(sums: Float64Array, offsets: Float32Array) {
  const value = new Float64Array(sums.length);
  const slope = new Float64Array(sums.length);
  for (let i = 0; i < sums.length; i++) {
    const x = sums[i] + offsets[i];
    const share = 0.5 * (1 + Math.tanh(0.5 * x));
    value[i] = x * share;
    slope[i] = share * (1 + x * (1 - share));
  }
  return { value, slope };
}

/** What a layer makes of its inputs, without the offsets. */
function times({ weights, offsets }: Layer, x: Float64Array): Float64Array {
  const sums = new Float64Array(offsets.length);
  for (let i = 0, at = 0; i < x.length; i++) for (let j = 0; j < sums.length; j++) sums[j] += x[i] * weights[at++];
  return sums;
}

/** What changes of a layer's outputs are as changes of its inputs. */
function backwards({ weights, offsets }: Layer, end: Float64Array): Float64Array {
  const found = new Float64Array(weights.length / offsets.length);
  for (let i = 0, at = 0; i < found.length; i++) {
    let sum = 0;
    for (let j = 0; j < end.length; j++) sum += weights[at++] * end[j];
    found[i] = sum;
  }
  return found;
}

/** x of A x = b, for a symmetric matrix without negative eigenvalues: Gauss with the largest pivot. */
function solve(rows: Float64Array[], wanted: Float64Array): Float64Array {
  const n = wanted.length;
  const a = rows.map((row) => row.slice());
  const b = wanted.slice();
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) if (Math.abs(a[i][column]) > Math.abs(a[pivot][column])) pivot = i;
    [a[column], a[pivot]] = [a[pivot], a[column]];
    [b[column], b[pivot]] = [b[pivot], b[column]];
    for (let i = column + 1; i < n; i++) {
      const by = a[i][column] / a[column][column];
      if (!by) continue;
      for (let j = column; j < n; j++) a[i][j] -= by * a[column][j];
      b[i] -= by * b[column];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) b[i] -= a[i][j] * b[j];
    b[i] /= a[i][i];
  }
  return b;
}

function scaled(vector: Float64Array, by: number): Float64Array {
  return vector.map((value) => value * by);
}
