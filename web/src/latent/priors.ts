/** Priors fitted to the latents after training: reading the run's file, and sampling. */

import { COUPLING_LIMIT, PRIOR_FORMAT, PRIOR_KEY, SPLINE_MIN, SPLINE_REACH } from "../contract";
import { normals } from "./random";

type Tensors = Map<string, { shape: number[]; values: Float32Array }>;

/** A density in latent space that can be sampled. */
export interface Prior {
  readonly dim: number;
  /** n latents; temperature scales the standard deviation. */
  sample(n: number, random: () => number, temperature?: number): Float32Array;
}

/** Read a prior from a safetensors file; its metadata holds the kind. */
export function openPrior(bytes: ArrayBuffer): Prior {
  const { about, tensors } = readTensors(bytes);
  if (about.format !== PRIOR_FORMAT)
    throw new Error("The fitted prior was written by another version of zatlas: export the run again.");
  return about.kind === "mixture" ? new Mixture(tensors) : new Flow(tensors, about.couplings ?? 0);
}

/** A mixture of normal components. */
export class Mixture implements Prior {
  readonly dim: number;
  private readonly weights: Float32Array;
  private readonly means: Float32Array;
  private readonly factors: Float32Array; // lower triangular factors, or standard deviations

  constructor(tensors: Tensors) {
    this.weights = tensorOf(tensors, "weights");
    this.means = tensorOf(tensors, "means");
    this.factors = tensorOf(tensors, "factors");
    this.dim = this.means.length / this.weights.length;
  }

  sample(n: number, random: () => number, temperature = 1): Float32Array {
    const components = Int32Array.from({ length: n }, () => this.component(random()));
    return this.transform(
      components,
      normals(n * this.dim, random).map((value) => value * temperature),
    );
  }

  /** Latents for standard normal noise, each in its component. */
  transform(components: ArrayLike<number>, noise: Float32Array): Float32Array {
    const { dim, means, factors } = this;
    const full = factors.length > means.length;
    return noise.map((value, at) => {
      const [i, j] = [Math.floor(at / dim), at % dim];
      const row = components[i] * dim + j;
      if (!full) return means[row] + factors[row] * value;
      let sum = means[row];
      for (let k = 0; k <= j; k++) sum += factors[row * dim + k] * noise[i * dim + k];
      return sum;
    });
  }

  private component(u: number): number {
    let left = u * this.weights.reduce((sum, weight) => sum + weight, 0);
    return Math.max(
      0,
      this.weights.findIndex((weight) => (left -= weight) < 0),
    );
  }
}

/** A flow of affine couplings and a spline for each dimension. Dinh et al. 2017, https://arxiv.org/abs/1605.08803 */
export class Flow implements Prior {
  readonly dim: number;
  private readonly mean: Float32Array;
  private readonly factor: Float32Array; // lower triangle
  private readonly couplings: Coupling[];
  private readonly splines: Spline[];

  constructor(tensors: Tensors, couplings: number) {
    this.mean = tensorOf(tensors, "mean");
    this.factor = tensorOf(tensors, "factor");
    const dim = (this.dim = this.mean.length);
    this.couplings = Array.from({ length: couplings }, (_, number) => coupling(tensors, number, dim)).reverse();
    const [widths, heights, derivatives] = ["widths", "heights", "derivatives"].map((name) =>
      tensorOf(tensors, `spline.${name}`),
    );
    const bins = widths.length / dim;
    this.splines = Array.from({ length: dim }, (_, axis) => ({
      across: marks(widths.subarray(axis * bins, (axis + 1) * bins)),
      up: marks(heights.subarray(axis * bins, (axis + 1) * bins)),
      derivatives: [
        1,
        ...Array.from(
          derivatives.subarray(axis * (bins - 1), (axis + 1) * (bins - 1)),
          (raw) => SPLINE_MIN + Math.log1p(Math.exp(raw)),
        ),
        1,
      ],
    }));
  }

  sample(n: number, random: () => number, temperature = 1): Float32Array {
    return this.transform(normals(n * this.dim, random).map((value) => value * temperature));
  }

  /** Latents for standard normal noise. */
  transform(noise: Float32Array): Float32Array {
    const { dim, mean, factor } = this;
    const z = new Float32Array(noise.length);
    for (let start = 0; start < noise.length; start += dim) {
      const x = Float64Array.from(noise.subarray(start, start + dim));
      for (const item of this.couplings) uncouple(item, x);
      for (let j = 0; j < dim; j++) x[j] = inverseSpline(this.splines[j], x[j]);
      for (let j = 0; j < dim; j++) {
        let sum = mean[j];
        for (let k = 0; k <= j; k++) sum += factor[j * dim + k] * x[k];
        z[start + j] = sum;
      }
    }
    return z;
  }
}

interface Layer {
  weight: Float32Array; // row by row, a row for each output
  bias: Float32Array;
}

interface Coupling {
  conditioning: number[]; // dimensions that condition the coupling
  transformed: number[]; // dimensions that are transformed
  layers: Layer[];
}

interface Spline {
  across: number[];
  up: number[];
  derivatives: number[];
}

/** Split by one binary digit of the dimension's index after the other, as Python's `Coupling` does. */
function coupling(tensors: Tensors, number: number, dim: number): Coupling {
  const digits = 32 - Math.clz32(dim - 1);
  const side = (axis: number) => ((axis >> ((number >> 1) % digits)) & 1) ^ (number & 1);
  const axes = Array.from({ length: dim }, (_, axis) => axis);
  const layers = [0, 2, 4].map((layer) => ({
    weight: tensorOf(tensors, `couplings.${number}.net.${layer}.weight`),
    bias: tensorOf(tensors, `couplings.${number}.net.${layer}.bias`),
  }));
  return { conditioning: axes.filter((axis) => !side(axis)), transformed: axes.filter(side), layers };
}

function uncouple({ conditioning, transformed, layers }: Coupling, x: Float64Array): void {
  let values = conditioning.map((axis) => x[axis]);
  layers.forEach((layer, i) => {
    values = apply(layer, values);
    if (i + 1 < layers.length) values = values.map((value) => value / (1 + Math.exp(-value)));
  });
  transformed.forEach((axis, i) => {
    const scale = COUPLING_LIMIT * Math.tanh(values[i] / COUPLING_LIMIT);
    x[axis] = (x[axis] - values[transformed.length + i]) * Math.exp(-scale);
  });
}

function apply({ weight, bias }: Layer, x: number[]): number[] {
  return Array.from(bias, (sum, i) => {
    const from = i * x.length;
    for (let j = 0; j < x.length; j++) sum += weight[from + j] * x[j];
    return sum;
  });
}

/** Inverse of a rational quadratic spline. Durkan et al. 2019, https://arxiv.org/abs/1906.04032 */
function inverseSpline({ across, up, derivatives }: Spline, y: number): number {
  if (Math.abs(y) >= SPLINE_REACH) return y;
  let k = 0;
  while (k + 2 < up.length && up[k + 1] < y) k++;
  const [width, height, above] = [across[k + 1] - across[k], up[k + 1] - up[k], y - up[k]];
  const ratio = height / width;
  const turn = above * (derivatives[k] + derivatives[k + 1] - 2 * ratio);
  const [a, b, c] = [height * (ratio - derivatives[k]) + turn, height * derivatives[k] - turn, -ratio * above];
  return across[k] + (width * 2 * c) / (-b - Math.sqrt(Math.max(b * b - 4 * a * c, 0)));
}

/** The knots of a spline. */
function marks(raw: Float32Array): number[] {
  const top = Math.max(...raw);
  const sizes = Array.from(raw, (value) => Math.exp(value - top));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const result = [0];
  for (const size of sizes) result.push(result.at(-1)! + SPLINE_MIN + ((1 - SPLINE_MIN * sizes.length) * size) / total);
  return result.map((mark) => SPLINE_REACH * ((2 * mark) / result.at(-1)! - 1));
}

function tensorOf(tensors: Tensors, name: string): Float32Array {
  const result = tensors.get(name);
  if (!result) throw new Error(`The fitted prior has no ${name}: export the run again.`);
  return result.values;
}

/** https://huggingface.co/docs/safetensors : the length of a JSON header, the header, the numbers. */
function readTensors(bytes: ArrayBuffer): {
  about: { format?: number; kind?: string; couplings?: number };
  tensors: Tensors;
} {
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const { __metadata__: words, ...rest } = header as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  const tensors: Tensors = new Map();
  for (const [
    name,
    {
      shape,
      data_offsets: [from, to],
    },
  ] of Object.entries(rest)) {
    tensors.set(name, { shape, values: new Float32Array(bytes.slice(8 + length + from, 8 + length + to)) });
  }
  return { about: JSON.parse((words as unknown as Record<string, string>)[PRIOR_KEY]), tensors };
}
