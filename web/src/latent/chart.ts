/** Charts with their inverse: from a position to a latent, and from a latent to a position. */

import { FORWARD, INVERSE, type ChartEntry, type Projection } from "../contract";
import { type Neighbors, nearest } from "./nearest";
import { dot, mean, norm } from "./vectors";

/** The k positions nearest to a position, nearest first. */
type NearestPositions = (x: number, y: number, k: number) => { rows: ArrayLike<number>; distances: ArrayLike<number> };

/** The latents that a chart holds, and their positions. */
export interface FittedPoints {
  latents: Float32Array; // (count, dim)
  positions: Float32Array; // x, y, x, y ...
  nearest: NearestPositions; // among the positions
}

/** Latents and data coverage on a regular grid over the chart. */
export interface Lattice {
  latents: Float32Array; // (n * n, dim)
  coverage: Uint8Array; // n * n
  n: number;
}

export type Plane = Pick<ChartEntry, "box" | "projection" | "reach" | "averaged">;

export class PlaneInverse {
  #fitted: FittedPoints | null = null;
  #mean = new Float32Array(); // mean of the latents
  #norms = new Float32Array(); // norms of the latents about their mean

  constructor(
    readonly plane: Plane,
    readonly dim: number,
    readonly lattice: Lattice | null = null,
  ) {}

  /** Whether latents are computed exactly rather than interpolated on the lattice. */
  get fine(): boolean {
    return this.#fitted !== null;
  }

  /** Compute latents exactly from now on. */
  refine(fitted: FittedPoints): void {
    this.#mean = mean(fitted.latents, this.dim) as Float32Array<ArrayBuffer>;
    this.#norms = normsAbout(this.#mean, fitted.latents);
    this.#fitted = fitted;
  }

  /** The latent at a position. */
  inverse(x: number, y: number): Float32Array {
    if (this.#fitted) return this.#corrected(x, y, this.#blended(x, y, this.#fitted));
    return this.#coarse(x, y);
  }

  /** The latents, row by row, at positions given as pairs. */
  inverseAll = (positions: Float32Array): Float32Array => {
    const rows = new Float32Array((positions.length / 2) * this.dim);
    for (let i = 0; 2 * i < positions.length; i++) {
      rows.set(this.inverse(positions[2 * i], positions[2 * i + 1]), i * this.dim);
    }
    return rows;
  };

  /** The latent at a position, interpolated on the lattice. */
  #coarse(x: number, y: number): Float32Array {
    if (!this.lattice) throw new Error("The latents of this chart are still being loaded.");
    const { latents } = this.lattice;
    const z = new Float32Array(this.dim);
    for (const [cell, share] of this.#cells(x, y, this.lattice.n)) {
      for (let j = 0; j < this.dim; j++) z[j] += share * latents[cell * this.dim + j];
    }
    return this.#corrected(x, y, z);
  }

  /** The position of a latent: by projection, or from its nearest neighbors. Null while there are no latents. */
  forward(z: Float32Array): [number, number] | null {
    if (this.plane.projection) return projected(this.plane.projection, z);
    if (!this.#fitted) return null;
    return medianOf(nearest(this.#fitted.latents, this.dim, z, FORWARD), this.#fitted);
  }

  /** Data coverage: 1 inside the data, 0 in a gap. */
  coverage(x: number, y: number): number {
    const [left, bottom, right, top] = this.plane.box;
    if (!(x >= left && x <= right && y >= bottom && y <= top)) return 0;
    if (!this.lattice) return this.#coverageAt(x, y);
    let sum = 0;
    for (const [cell, share] of this.#cells(x, y, this.lattice.n)) {
      sum += share * this.lattice.coverage[cell];
    }
    return sum / 255;
  }

  /** Data coverage without a lattice: it falls to 0 from the reach of the data to twice the reach. */
  #coverageAt(x: number, y: number): number {
    if (!this.#fitted) return 1;
    const { distances } = this.#fitted.nearest(x, y, INVERSE + 1);
    const last = distances[distances.length - 1];
    return Math.min(Math.max(2 - last / this.plane.reach, 0), 1);
  }

  /** The weighted mean of the neighbors' latents, scaled to their mean norm. */
  #blended(x: number, y: number, { latents, nearest }: FittedPoints): Float32Array {
    const { dim } = this;
    const { rows, distances } = nearest(x, y, this.plane.averaged + 1);
    const weights = fading(distances);
    const z = new Float64Array(dim);
    let length = 0;
    for (let i = 0; i < rows.length; i++) {
      const start = rows[i] * dim;
      for (let j = 0; j < dim; j++) z[j] += weights[i] * (latents[start + j] - this.#mean[j]);
      length += weights[i] * this.#norms[rows[i]];
    }
    const by = length / Math.max(norm(z), 1e-12);
    return Float32Array.from(z, (value, j) => this.#mean[j] + value * by);
  }

  /** On a linear projection, correct the latent so that it projects exactly to the position. */
  #corrected(x: number, y: number, z: Float32Array): Float32Array {
    const { projection } = this.plane;
    if (!projection) return z;
    const [ownX, ownY] = projected(projection, z);
    const { components } = projection;
    return z.map((v, j) => v + (x - ownX) * components[j] + (y - ownY) * components[this.dim + j]);
  }

  /** The four lattice points around a position, and the weight of each. */
  #cells(x: number, y: number, n: number): [number, number][] {
    const [left, bottom, right, top] = this.plane.box;
    const column = clamp(((x - left) / (right - left)) * (n - 1), n - 1);
    const row = clamp(((top - y) / (top - bottom)) * (n - 1), n - 1);
    const [c, r] = [Math.min(Math.floor(column), n - 2), Math.min(Math.floor(row), n - 2)];
    const [across, down] = [column - c, row - r];
    const cell = r * n + c;
    return [
      [cell, (1 - across) * (1 - down)],
      [cell + 1, across * (1 - down)],
      [cell + n, (1 - across) * down],
      [cell + n + 1, across * down],
    ];
  }
}

/** The distance of each row from a center. */
function normsAbout(center: Float32Array, rows: Float32Array): Float32Array<ArrayBuffer> {
  const dim = center.length;
  const norms = new Float32Array(rows.length / dim);
  for (let row = 0; row < norms.length; row++) {
    let sum = 0;
    for (let j = 0; j < dim; j++) sum += (rows[row * dim + j] - center[j]) ** 2;
    norms[row] = Math.sqrt(sum);
  }
  return norms;
}

/** Weights that sum to 1 and fall to 0 at the farthest neighbor, so that neighbors change without a jump. */
function fading(distances: ArrayLike<number>): Float64Array {
  const last = Math.max(distances[distances.length - 1], 1e-12);
  const weights = Float64Array.from(distances, (item) => Math.max(1 - item / last, 1e-6) ** 2);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function projected({ components, mean, origin }: Projection, z: Float32Array): [number, number] {
  const centered = z.map((value, j) => value - mean[j]);
  const [x, y] = [components.slice(0, z.length), components.slice(z.length)];
  return [origin[0] + dot(centered, x), origin[1] + dot(centered, y)];
}

/** The geometric median of the positions of these latents; see https://doi.org/10.1007/s10479-008-0352-z */
function medianOf({ rows, distances, k }: Neighbors, { positions }: FittedPoints): [number, number] {
  const last = Math.max(distances[k - 1], 1e-12);
  const weights = Float64Array.from(distances.subarray(0, k), (distance) => {
    const share = distance / last;
    return (Math.max(1 - share, 1e-6) / Math.max(share, 1e-6)) ** 2;
  });
  let [x, y] = weightedMean(rows, weights, positions);
  for (let round = 0; round < 12; round++) {
    const pull = weights.map((weight, i) => {
      return weight / Math.max(Math.hypot(positions[2 * rows[i]] - x, positions[2 * rows[i] + 1] - y), 1e-6);
    });
    [x, y] = weightedMean(rows, pull, positions);
  }
  return [x, y];
}

function weightedMean(rows: Int32Array, weights: Float64Array, positions: Float32Array): [number, number] {
  let [x, y, sum] = [0, 0, 0];
  weights.forEach((weight, i) => {
    x += weight * positions[2 * rows[i]];
    y += weight * positions[2 * rows[i] + 1];
    sum += weight;
  });
  return [x / sum, y / sum];
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max);
}
