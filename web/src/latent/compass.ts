/** The compass: a direction taught by one's own choices among a few images, with how sure it is. */

import { type Direction, spreadOf } from "./directions";
import type { Principal } from "./principal";
import { normals, uniform } from "./random";
import { dot, norm, row } from "./vectors";

const AXES = 64; // principal ones, at most, in which a taste is looked for
const UNUSED = 0.05; // of the widest axis' spread: axes narrower than that show nothing
const PAIRS = 16; // axes up to which pairs are enough; beyond, a handful is shown
const HANDFUL = 6;
const REACH = 2.5; // spreads from the place that the images of a question are around
const WRONG = 0.1; // of a person's answers
const BLUR = 0.3; // how much nearer than that two images must be to be told apart by chance
const SWEEPS = 3; // over all answers; the estimate has settled by then
const TRIED = 60; // questions, of which the best is asked
const TASTES = 100; // drawn from what is believed, to weigh a question by

export interface Answer {
  shown: Float32Array; // codes, row by row
  choice: number | null; // null is a pass
}

/** What is believed of the taste: a normal distribution in axes of spread 1. */
interface Belief {
  mean: Float64Array;
  covariance: Float64Array;
}

/**
 * The taste is a direction: of two images the one whose code lies further along it is liked better, but for some
 * answers that are wrong. Questions: Bıyık et al. 2019, https://arxiv.org/abs/1910.04365. Estimate, by expectation
 * propagation: Minka 2001, https://arxiv.org/abs/1301.2294. Idea: Latent Compass, Schwettmann et al. 2020,
 * https://arxiv.org/abs/2012.14283.
 */
export class Compass {
  readonly count: number; // images in a question
  answers: Answer[] = [];
  readonly #axes: Float32Array[];
  readonly #spreads: number[];
  #belief: Belief;

  constructor(
    readonly codes: Float32Array,
    readonly dim: number,
    { axes, spreads }: Principal,
    readonly seed = 0,
  ) {
    const used = spreads.slice(0, AXES).filter((spread) => spread > UNUSED * spreads[0]).length;
    if (used < 2) throw new Error("These codes do not differ in two axes or more: there is no way to choose.");
    this.#axes = axes.slice(0, used);
    this.#spreads = spreads.slice(0, used);
    this.count = used <= PAIRS ? 2 : HANDFUL;
    this.#belief = this.#believed();
  }

  /** Codes of the images to choose among, row by row: of many questions the one whose answer tells most. */
  ask(): Float32Array {
    const random = uniform(1 + this.seed * 10_007 + this.answers.length);
    const steps = question(this.#belief, this.count, random);
    const start = row(this.codes, this.dim, Math.floor(random() * (this.codes.length / this.dim)));
    const shown = new Float32Array(this.count * this.dim);
    steps.forEach((step, i) => {
      const own = shown.subarray(i * this.dim, (i + 1) * this.dim);
      own.set(start);
      step.forEach((amount, k) => {
        const by = REACH * amount * this.#spreads[k];
        for (let j = 0; j < this.dim; j++) own[j] += by * this.#axes[k][j];
      });
    });
    return shown;
  }

  tell(shown: Float32Array, choice: number | null): void {
    this.answers.push({ shown, choice });
    this.#belief = this.#believed();
  }

  undo(): void {
    this.answers.pop();
    this.#belief = this.#believed();
  }

  /** Answers that were no pass. */
  get choices(): number {
    return this.answers.filter((answer) => answer.choice !== null).length;
  }

  direction(name: string): Direction {
    const vector = this.#vector(this.#belief.mean);
    return { name, vector, spread: spreadOf(vector, this.codes) };
  }

  /** Degrees between the direction and the taste, to be expected from what is believed. */
  get angle(): number {
    if (!this.choices) return 90;
    const own = this.#vector(this.#belief.mean);
    const random = uniform(7 + this.answers.length);
    const drawn = draws(this.#belief, 2 * TASTES, random);
    const angles = drawn.map((taste) => Math.acos(Math.min(Math.max(dot(this.#vector(taste), own), -1), 1)));
    return ((angles.reduce((sum, one) => sum + one, 0) / angles.length) * 180) / Math.PI;
  }

  #believed(): Belief {
    const share = this.#spreads.map((spread) => spread ** 2);
    const even = share.reduce((sum, one) => sum + one, 0) / share.length;
    const n = share.length;
    const covariance = new Float64Array(n * n);
    // A taste t of the space reads spread * t in axes of spread 1: alike for all t.
    share.forEach((one, i) => (covariance[i * n + i] = one / even));
    const pairs = this.answers.flatMap((answer) => this.#told(answer));
    // Of the pairs that a wrong answer counts as, about half are right nevertheless.
    return believed({ mean: new Float64Array(n), covariance }, pairs, (WRONG * this.count) / (2 * (this.count - 1)));
  }

  /** The answer as pairs: from each image that was not chosen to the one that was, of length 1. */
  #told({ shown, choice }: Answer): Float64Array[] {
    if (choice === null) return [];
    const chosen = row(shown, this.dim, choice);
    const pairs: Float64Array[] = [];
    for (let i = 0; i < this.count; i++) {
      if (i === choice) continue;
      const apart = chosen.map((value, j) => value - shown[i * this.dim + j]);
      const pair = Float64Array.from(this.#axes, (axis, k) => dot(apart, axis) / this.#spreads[k]);
      const length = Math.max(norm(pair), 1e-12);
      pairs.push(pair.map((value) => value / length));
    }
    return pairs;
  }

  /** The unit vector of the latent space for a taste in axes of spread 1. */
  #vector(taste: Float64Array): Float32Array {
    const vector = new Float32Array(this.dim);
    taste.forEach((amount, k) => {
      for (let j = 0; j < this.dim; j++) vector[j] += (amount / this.#spreads[k]) * this.#axes[k][j];
    });
    const length = Math.max(norm(vector), 1e-12);
    return vector.map((value) => value / length);
  }
}

/** The normal distribution nearest to what the pairs leave possible: expectation propagation. */
function believed({ mean, covariance }: Belief, pairs: Float64Array[], wrong: number): Belief {
  const n = mean.length;
  const [precise, pull] = [new Float64Array(pairs.length), new Float64Array(pairs.length)];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    pairs.forEach((pair, i) => {
      const along = Float64Array.from({ length: n }, (_, k) => dot(covariance.subarray(k * n, (k + 1) * n), pair));
      const [width, place] = [dot(pair, along), dot(pair, mean)];
      const rest = 1 / width - precise[i]; // what all the others say
      if (rest <= 1e-9) return;
      const [newPlace, newWidth] = updated((place / width - pull[i]) / rest, 1 / rest, wrong);
      const more = 1 / newWidth - 1 / width;
      const further = newPlace / newWidth - place / width;
      const scale = 1 + more * width;
      if (scale <= 1e-6) return;
      for (let k = 0; k < n; k++) {
        for (let l = 0; l < n; l++) covariance[k * n + l] -= (along[k] * along[l] * more) / scale;
        mean[k] += (along[k] * (further - more * place)) / scale;
      }
      precise[i] += more;
      pull[i] += further;
    });
  }
  return { mean, covariance };
}

/** Mean and variance of a number after it was said to be positive by somebody who is wrong at times. */
function updated(place: number, width: number, wrong: number): [number, number] {
  const wide = width + BLUR ** 2;
  const t = place / Math.sqrt(wide);
  const bell = Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  const sure = 1 - 2 * wrong;
  const lift = (sure * bell) / ((wrong + sure * below(t)) * Math.sqrt(wide));
  const bend = lift * lift + (lift * t) / Math.sqrt(wide);
  return [place + width * lift, Math.max(width - width * width * bend, 1e-6 * width)];
}

/** The standard normal distribution's mass below t. Abramowitz and Stegun 1964, 7.1.26 */
function below(t: number): number {
  const x = Math.abs(t) / Math.SQRT2;
  const k = 1 / (1 + 0.3275911 * x);
  const series = k * (0.254829592 + k * (-0.284496736 + k * (1.421413741 + k * (-1.453152027 + k * 1.061405429))));
  const half = (series * Math.exp(-x * x)) / 2;
  return t > 0 ? 1 - half : half;
}

/** Of many questions, the one whose answer is least known beforehand, but for chance: rows of length 1. */
function question(belief: Belief, count: number, random: () => number): Float64Array[] {
  const n = belief.mean.length;
  const tastes = draws(belief, TASTES, random);
  const open = { mean: new Float64Array(n), covariance: belief.covariance };
  const length = Math.max(norm(belief.mean), 1e-12);
  const known = belief.mean.map((value) => value / length);
  const rows = draws(open, TRIED * count, random).map((step) => sideways(step, known, random() < 0.5));
  let [best, most] = [rows.slice(0, count), -Infinity];
  for (let i = 0; i < TRIED; i++) {
    const set = rows.slice(i * count, (i + 1) * count);
    const half = count >> 1;
    // Tastes that are still possible, and for most of them their opposites too.
    for (let k = 0; k < half; k++) set[half + k] = set[k].map((value) => -value);
    const bits = told(set, tastes);
    if (bits > most) [best, most] = [set, bits];
  }
  return best;
}

/** A step of length 1; if wanted, at right angles to what is known already, where the answers are open. */
function sideways(step: Float64Array, known: Float64Array, wanted: boolean): Float64Array {
  const along = wanted ? dot(step, known) : 0;
  const rest = step.map((value, k) => value - along * known[k]);
  const length = Math.max(norm(rest), 1e-12);
  return rest.map((value) => value / length);
}

/** Bits that the answer to a question is expected to tell. */
function told(set: Float64Array[], tastes: Float64Array[]): number {
  const whole = new Float64Array(set.length);
  let each = 0;
  for (const taste of tastes) {
    const liked = set.map((step) => dot(step, taste) / BLUR);
    const top = Math.max(...liked);
    const powers = liked.map((one) => Math.exp(one - top));
    const sum = powers.reduce((total, one) => total + one, 0);
    const chance = powers.map((one) => ((1 - WRONG) * one) / sum + WRONG / set.length);
    chance.forEach((one, k) => (whole[k] += one / tastes.length));
    each += bitsOf(chance) / tastes.length;
  }
  return bitsOf(whole) - each;
}

function bitsOf(chance: ArrayLike<number>): number {
  return -Array.from(chance).reduce((sum, one) => sum + one * Math.log2(one), 0);
}

function draws({ mean, covariance }: Belief, count: number, random: () => number): Float64Array[] {
  const n = mean.length;
  const root = cholesky(covariance, n);
  return Array.from({ length: count }, () => {
    const noise = normals(n, random);
    return mean.map((value, k) => value + dot(root.subarray(k * n, k * n + k + 1), noise.subarray(0, k + 1)));
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
