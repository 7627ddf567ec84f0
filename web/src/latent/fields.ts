/** Nonlinear directions: vector fields of small nets, integrated step by step. */

import { FIELD_STEP, type FieldEntry } from "../contract";
import { dot, unit } from "./vectors";

/** The step of one standard deviation from a latent. */
export type Field = (z: Float64Array) => Float64Array;

/** The settings of a field; its numbers are in a file. */
export type FieldAbout = Pick<FieldEntry, "kind" | "sizes" | "ridge">;

interface Layer {
  weights: Float32Array; // (from, to)
  offsets: Float32Array;
}

interface Net {
  mean: Float32Array;
  std: Float32Array;
  layers: [Layer, Layer, Layer];
}

/** Read a field: mean and std of the latents, three weight matrices, three offsets. */
export function readField({ kind, sizes, ridge }: FieldAbout, numbers: Float32Array): Field {
  const lengths = [sizes[0], sizes[0], ...[0, 1, 2].map((i) => sizes[i] * sizes[i + 1]), ...sizes.slice(1)];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== numbers.length)
    throw new Error(`The file of a direction holds ${numbers.length} numbers, not ${total}. Export the run again.`);
  let at = 0;
  const [mean, std, ...rest] = lengths.map((length) => numbers.subarray(at, (at += length)));
  const layer = (i: number): Layer => ({ weights: rest[i], offsets: rest[i + 3] });
  const net: Net = { mean, std, layers: [layer(0), layer(1), layer(2)] };
  return kind === "vector" ? (z) => vectorField(net, z) : (z) => gradientField(net, z, ridge);
}

/** Latents moved along a field by the midpoint method, so that moving back returns to the start. */
export function follow(field: Field, rows: Float32Array, dim: number, amount: number): Float32Array {
  const steps = Math.max(Math.ceil(Math.abs(amount) / FIELD_STEP), 1);
  const each = amount / steps;
  const moved = rows.slice();
  for (let start = 0; start < moved.length; start += dim) {
    let z = Float64Array.from(moved.subarray(start, start + dim));
    for (let step = 0; step < steps; step++) z = along(z, field(along(z, field(z), each / 2)), each);
    moved.set(z, start);
  }
  return moved;
}

/** The field made orthogonal to an orthonormal basis. */
export function orthogonalField(field: Field, basis: Float64Array[]): Field {
  return (z) => {
    const step = field(z);
    for (const axis of basis) {
      const part = dot(step, axis);
      for (let i = 0; i < step.length; i++) step[i] -= part * axis[i];
    }
    return step;
  };
}

function along(z: Float64Array, step: Float64Array, amount: number): Float64Array<ArrayBuffer> {
  return Float64Array.from(z, (value, i) => value + amount * step[i]);
}

/** The output of the net, scaled by the std of the latents. */
function vectorField(net: Net, z: Float64Array): Float64Array {
  const { offset, last } = hidden(net, z);
  return times(net.layers[2], last).map((value, i) => (value + offset[i]) * net.std[i]);
}

/** One std along the gradient of the first output, with the gradients of the others projected out (ridge). */
function gradientField(net: Net, z: Float64Array, ridge: number): Float64Array {
  const [up, ...others] = gradients(net, z);
  const units = others.map(unit);
  if (units.length) {
    const square = units.map((a, i) => Float64Array.from(units, (b, j) => dot(a, b) + (i === j ? ridge : 0)));
    const share = solve(
      square,
      Float64Array.from(units, (unit) => dot(unit, up)),
    );
    units.forEach((unit, k) => {
      for (let i = 0; i < up.length; i++) up[i] -= share[k] * unit[i];
    });
  }
  return unit(up).map((value, i) => value * net.std[i]);
}

/** The gradient of each output, in units of the std. */
function gradients(net: Net, z: Float64Array): Float64Array[] {
  const { firstDerivative, secondDerivative, last } = hidden(net, z);
  const [first, second, third] = net.layers;
  const outputs = third.offsets.length;
  return Array.from({ length: outputs }, (_, output) => {
    const end = Float64Array.from(last, (_, unit) => third.weights[unit * outputs + output] * secondDerivative[unit]);
    const back = backward(second, end).map((value, unit) => value * firstDerivative[unit]);
    return backward(first, back);
  });
}

/** The last hidden layer, the derivatives of both activations, and the output offsets. */
function hidden(net: Net, z: Float64Array) {
  const [first, second, third] = net.layers;
  const x = z.map((value, i) => (value - net.mean[i]) / net.std[i]);
  const lower = silu(times(first, x), first.offsets);
  const upper = silu(times(second, lower.value), second.offsets);
  return {
    firstDerivative: lower.gradient,
    secondDerivative: upper.gradient,
    last: upper.value,
    offset: third.offsets,
  };
}

/** The SiLU activation x * sigmoid(x), and its derivative. */
function silu(sums: Float64Array, offsets: Float32Array) {
  const value = new Float64Array(sums.length);
  const gradient = new Float64Array(sums.length);
  for (let i = 0; i < sums.length; i++) {
    const x = sums[i] + offsets[i];
    const share = 0.5 * (1 + Math.tanh(0.5 * x));
    value[i] = x * share;
    gradient[i] = share * (1 + x * (1 - share));
  }
  return { value, gradient };
}

/** The linear part of a layer. */
function times({ weights, offsets }: Layer, x: Float64Array): Float64Array {
  const sums = new Float64Array(offsets.length);
  for (let i = 0, at = 0; i < x.length; i++) for (let j = 0; j < sums.length; j++) sums[j] += x[i] * weights[at++];
  return sums;
}

/** Gradient with respect to a layer's inputs from the gradient with respect to its outputs. */
function backward({ weights, offsets }: Layer, end: Float64Array): Float64Array {
  const result = new Float64Array(weights.length / offsets.length);
  for (let i = 0, at = 0; i < result.length; i++) {
    let sum = 0;
    for (let j = 0; j < end.length; j++) sum += weights[at++] * end[j];
    result[i] = sum;
  }
  return result;
}

/** Solve A x = b by Gaussian elimination with partial pivoting. */
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
