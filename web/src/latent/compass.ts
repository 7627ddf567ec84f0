/** The compass: fits a preference direction to choices among a few images. Equal to Python's, which shares its fixtures. */

import {
  CANDIDATES,
  ERROR_RATE,
  GROUP,
  MAX_COMPONENTS,
  MAX_PAIRWISE,
  MIN_STD,
  NOISE,
  RADIUS,
  SAMPLES,
  SWEEPS,
} from "../contract";
import type { Direction } from "./directions";
import type { Principal } from "./principal";
import { normals, uniform } from "./random";
import { dot, norm, row, unit } from "./vectors";

/** A question: the shown latents, and which of them was chosen. */
export interface Choice {
  shown: Float32Array; // row by row
  choice: number | null; // null if the question was skipped
}

/** A Gaussian posterior of the preference, over principal components scaled to std 1. */
interface Posterior {
  mean: Float64Array;
  covariance: Float64Array;
}

/**
 * The model: a user prefers the image whose latent lies further along the preference direction, apart from errors.
 * Questions: Bıyık et al. 2019, https://arxiv.org/abs/1910.04365. Estimate by expectation propagation: Minka 2001,
 * https://arxiv.org/abs/1301.2294. Application: Latent Compass, Schwettmann et al. 2020, https://arxiv.org/abs/2012.14283.
 */
export class Compass {
  readonly count: number; // images in a question
  answers: Choice[] = [];
  readonly #components: Float32Array[];
  readonly #std: number[];
  #posterior: Posterior;

  constructor(
    readonly latents: Float32Array,
    readonly dim: number,
    { components, std }: Principal,
    readonly seed = 0,
  ) {
    const used = std.slice(0, MAX_COMPONENTS).filter((value) => value > MIN_STD * std[0]).length;
    if (used < 2) throw new Error("The compass needs latents that vary in at least two dimensions.");
    this.#components = components.slice(0, used);
    this.#std = std.slice(0, used);
    this.count = used <= MAX_PAIRWISE ? 2 : GROUP;
    this.#posterior = this.#fit();
  }

  /** The latents to choose among, row by row: the most informative of many random questions. */
  question(): Float32Array {
    const random = uniform(this.seed, 1 + 2 * this.answers.length);
    const steps = mostInformative(this.#posterior, this.count, random);
    const start = row(this.latents, this.dim, Math.floor(random() * (this.latents.length / this.dim)));
    const shown = new Float32Array(this.count * this.dim);
    steps.forEach((step, i) => {
      const z = Float64Array.from(start);
      step.forEach((amount, k) => {
        const by = RADIUS * amount * this.#std[k];
        for (let j = 0; j < this.dim; j++) z[j] += by * this.#components[k][j];
      });
      shown.set(z, i * this.dim);
    });
    return shown;
  }

  answer(shown: Float32Array, choice: number | null): void {
    this.answers.push({ shown, choice });
    this.#posterior = this.#fit();
  }

  undo(): void {
    this.answers.pop();
    this.#posterior = this.#fit();
  }

  /** The number of answers that were not skipped. */
  get choices(): number {
    return this.answers.filter((answer) => answer.choice !== null).length;
  }

  /** The posterior mean as a direction. */
  direction(name: string): Direction {
    const { mean } = this.#posterior;
    const scaled = this.#scaled(mean);
    const length = Math.max(norm(scaled), 1e-12);
    const vector = new Float64Array(this.dim);
    scaled.forEach((amount, k) => {
      for (let j = 0; j < this.dim; j++) vector[j] += (amount / length) * this.#components[k][j];
    });
    // The latents are uncorrelated along principal components.
    return { name, vector: Float32Array.from(vector), std: norm(mean) / length || 1 };
  }

  /** The expected angle in degrees between the direction and the preference. */
  get angle(): number {
    if (!this.choices) return 90;
    const mean = this.#scaled(this.#posterior.mean);
    const samples = sampleFrom(this.#posterior, 4 * SAMPLES, uniform(this.seed, 2 + 2 * this.answers.length));
    const angles = samples.map((sample) => {
      const scaled = this.#scaled(sample);
      return Math.acos(Math.min(Math.max(dot(scaled, mean) / (norm(scaled) * norm(mean)), -1), 1));
    });
    return ((angles.reduce((sum, angle) => sum + angle, 0) / angles.length) * 180) / Math.PI;
  }

  #fit(): Posterior {
    const variances = this.#std.map((std) => std ** 2);
    const mean = variances.reduce((sum, variance) => sum + variance, 0) / variances.length;
    const n = variances.length;
    const covariance = new Float64Array(n * n);
    // A direction t of the latent space is std * t in scaled components: the prior is isotropic in t.
    variances.forEach((variance, i) => (covariance[i * n + i] = variance / mean));
    const pairs = this.answers.flatMap((answer) => this.#pairs(answer));
    // An error counts as several pairs, of which about half are correct nevertheless.
    return propagate(
      { mean: new Float64Array(n), covariance },
      pairs,
      (ERROR_RATE * this.count) / (2 * (this.count - 1)),
    );
  }

  /** An answer as unit vectors from each image that was not chosen to the chosen one. */
  #pairs({ shown, choice }: Choice): Float64Array[] {
    if (choice === null) return [];
    const chosen = row(shown, this.dim, choice);
    const pairs: Float64Array[] = [];
    for (let i = 0; i < this.count; i++) {
      if (i === choice) continue;
      const difference = chosen.map((value, j) => value - shown[i * this.dim + j]);
      pairs.push(
        unit(Float64Array.from(this.#components, (component, k) => dot(difference, component) / this.#std[k])),
      );
    }
    return pairs;
  }

  #scaled(preference: Float64Array): Float64Array {
    return preference.map((value, k) => value / this.#std[k]);
  }
}

/** Expectation propagation: the Gaussian that approximates the posterior given all pairs. */
function propagate({ mean, covariance }: Posterior, pairs: Float64Array[], errorRate: number): Posterior {
  const n = mean.length;
  const [precisions, shifts] = [new Float64Array(pairs.length), new Float64Array(pairs.length)]; // of each pair's factor
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    pairs.forEach((pair, i) => {
      const along = Float64Array.from({ length: n }, (_, k) => dot(covariance.subarray(k * n, (k + 1) * n), pair));
      const [variance, center] = [dot(pair, along), dot(pair, mean)];
      const cavity = 1 / variance - precisions[i]; // precision without this pair
      if (cavity <= 1e-9) return;
      const [newCenter, newVariance] = moments((center / variance - shifts[i]) / cavity, 1 / cavity, errorRate);
      const precision = 1 / newVariance - 1 / variance;
      const shift = newCenter / newVariance - center / variance;
      const scale = 1 + precision * variance;
      if (scale <= 1e-6) return;
      for (let k = 0; k < n; k++) {
        for (let l = 0; l < n; l++) covariance[k * n + l] -= (along[k] * along[l] * precision) / scale;
        mean[k] += (along[k] * (shift - precision * center)) / scale;
      }
      precisions[i] += precision;
      shifts[i] += shift;
    });
  }
  return { mean, covariance };
}

/** Mean and variance of a Gaussian number after a noisy answer that it is positive. */
function moments(mean: number, variance: number, errorRate: number): [number, number] {
  const total = variance + NOISE ** 2;
  const t = mean / Math.sqrt(total);
  const density = Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  const sure = 1 - 2 * errorRate;
  const gradient = (sure * density) / ((errorRate + sure * normalCdf(t)) * Math.sqrt(total));
  const curvature = gradient * gradient + (gradient * t) / Math.sqrt(total);
  return [mean + variance * gradient, Math.max(variance - variance * variance * curvature, 1e-6 * variance)];
}

/** The standard normal distribution function by its series of positive terms, to 1e-15. */
function normalCdf(t: number): number {
  if (Math.abs(t) > 9) return t > 0 ? 1 : 0;
  let [term, sum] = [t, t];
  for (let i = 3; Math.abs(term) > 1e-17; i += 2) sum += term *= (t * t) / i;
  return 0.5 + (sum * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Of many random questions, the one with the largest expected information: unit vectors. */
function mostInformative(posterior: Posterior, count: number, random: () => number): Float64Array[] {
  const n = posterior.mean.length;
  const preferences = sampleFrom(posterior, SAMPLES, random);
  const centered = { mean: new Float64Array(n), covariance: posterior.covariance };
  const mean = unit(posterior.mean);
  const steps = sampleFrom(centered, CANDIDATES * count, random).map((step) => {
    // Half of the steps are orthogonal to the mean, where the preference is least certain.
    const along = random() < 0.5 ? dot(step, mean) : 0;
    return unit(step.map((value, k) => value - along * mean[k]));
  });
  let [best, bestBits] = [steps.slice(0, count), -Infinity];
  for (let i = 0; i < CANDIDATES; i++) {
    const set = steps.slice(i * count, (i + 1) * count);
    const half = count >> 1;
    for (let k = 0; k < half; k++) set[half + k] = set[k].map((value) => -value);
    const bits = information(set, preferences);
    if (bits > bestBits) [best, bestBits] = [set, bits];
  }
  return best;
}

/** Expected information of the answer to a question in bits. */
function information(set: Float64Array[], preferences: Float64Array[]): number {
  const marginal = new Float64Array(set.length);
  let conditional = 0;
  for (const preference of preferences) {
    const logits = set.map((step) => dot(step, preference) / NOISE);
    const top = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - top));
    const sum = powers.reduce((total, power) => total + power, 0);
    const probabilities = powers.map((power) => ((1 - ERROR_RATE) * power) / sum + ERROR_RATE / set.length);
    probabilities.forEach((probability, k) => (marginal[k] += probability / preferences.length));
    conditional += entropy(probabilities) / preferences.length;
  }
  return entropy(marginal) - conditional;
}

function entropy(probabilities: ArrayLike<number>): number {
  return -Array.from(probabilities).reduce((sum, probability) => sum + probability * Math.log2(probability), 0);
}

function sampleFrom({ mean, covariance }: Posterior, count: number, random: () => number): Float64Array[] {
  const n = mean.length;
  const root = cholesky(covariance, n);
  const noise = normals(count * n, random);
  return Array.from({ length: count }, (_, i) => {
    const sample = Float64Array.from(mean);
    for (let k = 0; k < n; k++) for (let l = 0; l <= k; l++) sample[k] += root[k * n + l] * noise[i * n + l];
    return sample;
  });
}

function cholesky(matrix: Float64Array, n: number): Float64Array {
  const root = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const sum = matrix[i * n + j] - dot(root.subarray(i * n, i * n + j), root.subarray(j * n, j * n + j));
      root[i * n + j] = i === j ? Math.sqrt(Math.max(sum + 1e-9, 1e-12)) : sum / root[j * n + j];
    }
  }
  return root;
}
