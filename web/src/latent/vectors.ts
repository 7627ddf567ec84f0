/** Vector arithmetic. A latent is a Float32Array of d numbers; several are rows of one Float32Array. */

export function subtract(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

export function norm(a: ArrayLike<number>): number {
  return Math.sqrt(dot(a, a));
}

/** The mean of all rows, or of the chosen ones. */
export function mean(rows: Float32Array, dim: number, chosen?: ArrayLike<number>): Float32Array {
  const count = chosen ? chosen.length : rows.length / dim;
  const sums = new Float64Array(dim);
  for (let i = 0; i < count; i++) {
    const start = (chosen ? chosen[i] : i) * dim;
    for (let j = 0; j < dim; j++) sums[j] += rows[start + j];
  }
  return Float32Array.from(sums, (sum) => sum / Math.max(count, 1));
}

/** The vector scaled to length 1; a zero vector stays zero. */
export function unit(vector: ArrayLike<number>): Float64Array {
  const length = Math.max(norm(vector), 1e-12);
  return Float64Array.from(vector, (value) => value / length);
}

/** One row; it shares memory with the rows. */
export function row(rows: Float32Array, dim: number, index: number): Float32Array {
  return rows.subarray(index * dim, (index + 1) * dim);
}

/** Vectors as rows of one array. */
export function stack(points: ArrayLike<Float32Array>): Float32Array {
  const dim = points.length ? points[0].length : 0;
  const rows = new Float32Array(points.length * dim);
  for (let i = 0; i < points.length; i++) rows.set(points[i], i * dim);
  return rows;
}

/** A copy of the chosen rows. */
export function gather(rows: Float32Array, dim: number, chosen: ArrayLike<number>): Float32Array {
  const result = new Float32Array(chosen.length * dim);
  for (let i = 0; i < chosen.length; i++) result.set(row(rows, dim, chosen[i]), i * dim);
  return result;
}
