/** Principal components of latents, the largest variance first. */

import { dot, mean } from "./vectors";

export interface Principal {
  components: Float32Array[]; // unit vectors
  std: number[]; // standard deviation of the latents along each
}

const SWEEPS = 30;
const SETTLED = 1e-16; // share of the off-diagonal elements at which the rotations stop

/** All principal components by Jacobi rotations of the covariance; for at most a few hundred dimensions. */
export function principalComponents(latents: Float32Array, dim: number): Principal {
  const { values, vectors } = eigen(covariance(latents, dim), dim);
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
  const center = mean(latents, dim);
  return {
    components: order.map((k) =>
      towardsLongerTail(
        Float32Array.from({ length: dim }, (_, i) => vectors[i * dim + k]),
        latents,
        center,
      ),
    ),
    std: order.map((k) => Math.sqrt(Math.max(values[k], 0))),
  };
}

/** The axis with the sign that makes the latents' third moment along it positive. */
function towardsLongerTail(axis: Float32Array, latents: Float32Array, center: Float32Array): Float32Array {
  const [dim, offset] = [axis.length, dot(axis, center)];
  let sum = 0;
  for (let start = 0; start < latents.length; start += dim)
    sum += (dot(axis, latents.subarray(start, start + dim)) - offset) ** 3;
  return sum < 0 ? axis.map((value) => -value) : axis;
}

function covariance(latents: Float32Array, dim: number): Float64Array {
  const count = latents.length / dim;
  const center = mean(latents, dim);
  const result = new Float64Array(dim * dim);
  const row = new Float64Array(dim);
  for (let start = 0; start < latents.length; start += dim) {
    for (let i = 0; i < dim; i++) row[i] = latents[start + i] - center[i];
    for (let i = 0; i < dim; i++) for (let j = i; j < dim; j++) result[i * dim + j] += row[i] * row[j];
  }
  for (let i = 0; i < dim; i++) {
    for (let j = i; j < dim; j++) result[j * dim + i] = result[i * dim + j] /= count;
  }
  return result;
}

/** Values and vectors (in columns) of a symmetric matrix, which is used up. */
function eigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const vectors = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  for (let sweep = 0; sweep < SWEEPS && offDiagonal(matrix, n) > SETTLED; sweep++) {
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(matrix, vectors, n, p, q);
  }
  return { values: Float64Array.from({ length: n }, (_, i) => matrix[i * n + i]), vectors };
}

/** The share of the squared elements that is off the diagonal. */
function offDiagonal(matrix: Float64Array, n: number): number {
  let [off, all] = [0, 1e-300];
  for (let i = 0; i < n * n; i++) {
    all += matrix[i] ** 2;
    if (i % (n + 1)) off += matrix[i] ** 2;
  }
  return off / all;
}

/** Rotate two columns so that their covariance becomes zero. */
function rotate(matrix: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const between = matrix[p * n + q];
  if (between === 0) return;
  const theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * between);
  const t = (Math.sign(theta) || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < n; k++) turn(matrix, k * n + p, k * n + q, c, s);
  for (let k = 0; k < n; k++) turn(matrix, p * n + k, q * n + k, c, s);
  for (let k = 0; k < n; k++) turn(vectors, k * n + p, k * n + q, c, s);
}

function turn(values: Float64Array, i: number, j: number, c: number, s: number): void {
  const [a, b] = [values[i], values[j]];
  values[i] = c * a - s * b;
  values[j] = s * a + c * b;
}
