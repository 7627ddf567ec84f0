/** Principal axes of codes: along which they vary, the widest first. */

export interface Principal {
  axes: Float32Array[]; // of length 1
  spreads: number[]; // standard deviation of the codes along each
}

const SWEEPS = 30;
const SETTLED = 1e-9; // of the matrix: what is left beside its diagonal

/** All axes of the codes by Jacobi's rotations of their covariance; for a few hundred coordinates at most. */
export function principalAxes(codes: Float32Array, dim: number): Principal {
  const { values, vectors } = eigen(covariance(codes, dim), dim);
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
  return {
    axes: order.map((k) => Float32Array.from({ length: dim }, (_, i) => vectors[i * dim + k])),
    spreads: order.map((k) => Math.sqrt(Math.max(values[k], 0))),
  };
}

function covariance(codes: Float32Array, dim: number): Float64Array {
  const count = codes.length / dim;
  const middle = new Float64Array(dim);
  for (let i = 0; i < codes.length; i++) middle[i % dim] += codes[i] / count;
  const found = new Float64Array(dim * dim);
  const row = new Float64Array(dim);
  for (let start = 0; start < codes.length; start += dim) {
    for (let i = 0; i < dim; i++) row[i] = codes[start + i] - middle[i];
    for (let i = 0; i < dim; i++) for (let j = i; j < dim; j++) found[i * dim + j] += row[i] * row[j];
  }
  for (let i = 0; i < dim; i++) {
    for (let j = i; j < dim; j++) found[j * dim + i] = found[i * dim + j] /= count;
  }
  return found;
}

/** Values and vectors (in columns) of a symmetric matrix, which is used up. */
function eigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const vectors = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  for (let sweep = 0; sweep < SWEEPS && beside(matrix, n) > SETTLED; sweep++) {
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(matrix, vectors, n, p, q);
  }
  return { values: Float64Array.from({ length: n }, (_, i) => matrix[i * n + i]), vectors };
}

/** Part of the matrix that is not on its diagonal. */
function beside(matrix: Float64Array, n: number): number {
  let [off, all] = [0, 1e-300];
  for (let i = 0; i < n * n; i++) {
    all += matrix[i] ** 2;
    if (i % (n + 1)) off += matrix[i] ** 2;
  }
  return off / all;
}

/** Turn two axes so that nothing is left between them. */
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
