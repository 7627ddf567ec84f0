/** What is true of a run, as far as stories speak of it: the conditions and the facts in their texts. */

import { INVERSE, SHELL } from "../contract";
import { norm } from "../latent";
import { integer, percent, short } from "./format";
import { correlation, exampleDirection, exclusive, gapOf } from "./relative";
import type { RunState } from "./run.svelte";

const CORRELATED = 0.1; // the smallest correlation that explains a side effect
const SHORTER = 0.9; // of the shorter end: the norm that the midpoint of two samples is below, so that it leaves their shell

/** What a run can have that a story needs, or that a condition in its text names. */
export const HOLDS: Record<string, (run: RunState) => boolean> = {
  autoencoder: ({ entry }) => entry.kind === "image" && !/gan/i.test(entry.family),
  charts: ({ entry: { charts } }) => charts[0].projection === null && charts[0].averaged === INVERSE && charts.some(({ name }) => name === "pca"),
  classes: ({ entry }) => entry.classes.length > 0,
  correlated: (run) => sideEffect(run) === "correlated",
  decoder: (run) => run.decodes && !run.problem,
  dimensions: ({ entry }) => entry.dim > 2,
  direction: ({ entry }) => exampleDirection(entry) !== null,
  exclusive: (run) => sideEffect(run) === "exclusive",
  gap: (run) => gapOf(run) !== null,
  images: ({ entry }) => entry.kind === "image",
  points: ({ entry }) => entry.count > 1,
  prior: ({ entry }) => entry.prior !== "none" && entry.samples !== null,
  shell: (run) => run.entry.dim >= SHELL && ["normal", "sphere"].includes(run.entry.prior) && chordOf(run).middle < SHORTER * Math.min(...chordOf(run).ends),
  uncorrelated: (run) => sideEffect(run) === "uncorrelated",
};

/** Facts of a run that replace their names in a text. */
export const FACTS: Record<string, (run: RunState) => string | undefined> = {
  run: ({ entry }) => entry.name,
  data: ({ entry }) => entry.data,
  dimensions: ({ entry }) => String(entry.dim),
  numbers: ({ entry }) => (entry.dim === 1 ? "1 number" : `${integer(entry.dim)} numbers`),
  values: ({ entry: { image } }) => integer(image.channels * image.height * image.width),
  norms: (run) => normsOf(run),
  ends: (run) => chordOf(run).ends.map(short).join(" and "),
  chord: (run) => short(chordOf(run).middle),
  direction: ({ entry }) => exampleDirection(entry)?.direction.title.replaceAll("_", " "),
  auc: ({ entry }) => scoreText(entry, "auc"),
  "random limit": ({ entry }) => scoreText(entry, "random_limit"),
  "side effect": ({ entry }) => exampleDirection(entry)?.effect.replaceAll("_", " "),
  rises: ({ entry }) => ((exampleDirection(entry)?.change ?? 0) > 0 ? "rises" : "falls"),
  correlation: (run) => correlationOf(run).toFixed(2).replace("-", "−"),
  trustworthiness: ({ entry: { charts } }) => charts.filter(({ trustworthiness }) => Number.isFinite(trustworthiness)).map(({ title, trustworthiness }) => `${title} ${short(trustworthiness)}`).join(", "),
};

function scoreText(entry: RunState["entry"], of: "auc" | "random_limit"): string | undefined {
  const score = exampleDirection(entry)?.direction.score;
  return score ? percent(score[of]) : undefined;
}

/** The range of the norms of most samples of the prior. */
function normsOf({ samples: { random = new Float32Array() }, entry: { dim } }: RunState): string {
  const norms = Array.from({ length: random.length / dim }, (_, i) => norm(random.subarray(i * dim, (i + 1) * dim))).sort((a, b) => a - b);
  const [low, high] = [0.05, 0.95].map((share) => short(norms[Math.round(share * (norms.length - 1))]));
  return low === high ? low : `${low} to ${high}`;
}

/** The norms of the first two samples of the prior, and of the point half way between them. */
function chordOf({ samples: { random }, entry: { dim } }: RunState): { ends: number[]; middle: number } {
  if (!random || random.length < 2 * dim) return { ends: [NaN, NaN], middle: NaN };
  const [a, b] = [random.subarray(0, dim), random.subarray(dim, 2 * dim)];
  return { ends: [norm(a), norm(b)], middle: norm(a.map((value, i) => (value + b[i]) / 2)) };
}

/** The correlation of the example of a direction with its side effect. */
function correlationOf({ entry, table }: RunState): number {
  const example = exampleDirection(entry);
  return example ? correlation(example.direction.name, example.effect, entry.columns, table) : NaN;
}

/** Why the example of a direction has a side effect, as far as the data tells; null without an example. */
function sideEffect(run: RunState): "correlated" | "exclusive" | "uncorrelated" | null {
  const example = exampleDirection(run.entry);
  if (!example) return null;
  if (exclusive(example.direction.name, example.effect, run.entry.columns)) return "exclusive";
  return correlationOf(run) * Math.sign(example.change) > CORRELATED ? "correlated" : "uncorrelated";
}
