/** Anchors: named latents that a user can pin, and their text form in a link. */

import type { RunEntry } from "../contract";
import { fromHalf, type Table } from "../data";
import { integer } from "./format";
import type { Keyframe } from "./keyframe";

/** Priors by the names of their samples on the command line; "random" is the model's own. */
export type SamplePrior = "random" | "mixture" | "flow";

/** A sample by its number in the list that `zatlas sample` draws. */
export interface SampleName {
  prior: SamplePrior;
  number: number;
}

export interface Anchor {
  z: Float32Array;
  row: number | null; // of the real image that was encoded to this latent
  name: string;
  about: string; // where it comes from: "image 4,213", "a point on the map"
  label?: number; // class in which a conditional model decodes it; by default that of its image
  sample?: SampleName; // of a numbered sample
  coverage?: number; // data coverage of its position, if it comes from a chart
  keyframe?: Keyframe; // of a pin: its timing and edits in a walk
}

/** The name of a row: its kind and its number in the data set. */
export function imageName(run: { entry: RunEntry; table: Table }, row: number): string {
  const number = run.table.index[row];
  return `${run.entry.kind} ${integer(number < 0 ? row : number)}`;
}

/** The name of an anchor on the command line; null if only the page knows it, as a point on the map. */
export function commandName(anchor: Anchor, run: { entry: RunEntry; table: Table }): string | null {
  const plain = run.entry.sprites === null; // no image has a latent, so a number means a sample
  if (anchor.sample) return plain && anchor.sample.prior === "random" ? String(anchor.sample.number) : sampleText(anchor.sample);
  if (anchor.row === null) return null;
  const number = run.table.index[anchor.row];
  return plain ? String(number < 0 ? anchor.row : number) : `image:${number}`;
}

export const sampleText = ({ prior, number }: SampleName): string => `${prior}:${number}`;

/**
 * An anchor as text: a sample by its number, a real image by its row, any other by its coordinates as float16, with the
 * data coverage in percent if they come from a chart.
 */
export function anchorText(anchor: Anchor): string {
  if (anchor.sample) return sampleText(anchor.sample).replace(":", "-");
  if (anchor.row !== null) return `r${anchor.row}`;
  const coverage = anchor.coverage === undefined ? "" : `~${Math.round(100 * anchor.coverage)}`;
  return `z${vectorText(anchor.z)}${coverage}`;
}

/** The coordinates, the row or the sample in such a text; null if it is none of them. */
export function readAnchor(text: string, dim: number): Pick<Anchor, "z" | "coverage"> | { row: number } | { sample: SampleName } | null {
  const [, prior, number] = /^(random|mixture|flow)-(\d+)$/.exec(text) ?? [];
  if (prior) return { sample: { prior: prior as SamplePrior, number: Number(number) } };
  if (/^r\d+$/.test(text)) return { row: Number(text.slice(1)) };
  const [, vector, coverage] = /^z([^~]*)(?:~(\d+))?$/.exec(text) ?? [];
  const z = vector === undefined ? null : readVector(vector);
  if (z?.length !== dim) return null;
  return coverage === undefined ? { z } : { z, coverage: Math.min(Number(coverage) / 100, 1) };
}

/** Names for pins: A to Z, then A2 ... */
export function letter(index: number): string {
  const round = Math.floor(index / 26);
  return String.fromCharCode(65 + (index % 26)) + (round ? String(round + 1) : "");
}

export function vectorText(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.length * 2);
  const view = new DataView(bytes.buffer);
  vector.forEach((value, i) => view.setUint16(i * 2, toHalf(value), true));
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function readVector(text: string): Float32Array | null {
  if (!/^[\w-]*$/.test(text)) return null;
  try {
    return fromHalf(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)).buffer);
  } catch {
    return null; // a link that was cut short
  }
}

/** The bits of the nearest float16; values out of range are clipped. */
function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.min(Math.abs(value) || 0, 65504);
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  const steps = Math.round((size / 2 ** exponent - 1) * 1024);
  return sign | (((exponent + 15) << 10) + steps);
}
