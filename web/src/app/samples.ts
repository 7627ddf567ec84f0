/** The numbered samples of a run, read from its files. */

import type { RunEntry } from "../contract";
import type { Files } from "../types";
import { fromHalf } from "../data";
import type { Anchor, SampleName, SamplePrior } from "./anchor";

/** Latents of each prior, row by row. */
export type Samples = Partial<Record<SamplePrior, Float32Array>>;

export async function readSamples(files: Files, { samples, fitted_prior: fitted }: RunEntry): Promise<Samples> {
  const read = async (url: string) => fromHalf(await files.bytes(url));
  const own: Samples = samples ? { random: await read(samples) } : {};
  return fitted ? { ...own, [fitted.kind]: await read(fitted.samples) } : own;
}

/** The anchor of a numbered sample; null if the page does not have it. */
export function numbered(samples: Samples, name: SampleName, dim: number): Anchor | null {
  const latents = samples[name.prior];
  if (!latents || (name.number + 1) * dim > latents.length) return null;
  const about = name.prior === "random" ? `sample ${name.number}` : `sample ${name.number}, ${name.prior}`;
  return { z: latents.slice(name.number * dim, (name.number + 1) * dim), row: null, name: "", about, sample: name };
}
