/** A run as the views of a figure read it. */

import { readDirections } from "../app/directions";
import type { Slider } from "../app/sliders.svelte";
import type { ChartEntry, RunEntry } from "../contract";
import { readLatents } from "../data/half";
import { readManifest } from "../data/manifest";
import { readTable, type Table } from "../data/table";
import { pageDecoder } from "../decoder/page";
import { PlaneInverse } from "../latent/chart";
import { Grid } from "../map/grid";
import type { Files, Images } from "../types";
import { figureFiles } from "./source";

/** A latent that the figure starts from. */
export interface Anchor {
  name: string;
  z: Float32Array;
  label: number; // class of a conditional model, otherwise 0
}

export interface FigureRun {
  entry: RunEntry;
  table: Table;
  latents: Float32Array; // (count, dim)
  chart: ChartEntry;
  positions: Float32Array; // x, y of each point
  grid: Grid; // of the positions
  inverse: PlaneInverse;
  sliders: Slider[];
  /** In one class, or each latent in its own. null: a newer request of the same stream replaced this one. */
  decode(z: Float32Array, n: number, stream: string, label: number | number[]): Promise<Images | null>;
}

export interface FigureData {
  runs: FigureRun[];
  anchors: Anchor[];
}

const opened = new Map<string, Promise<FigureData>>(); // figures with the same data share its models

export function openData(src: string): Promise<FigureData> {
  let data = opened.get(src);
  if (!data) opened.set(src, (data = readData(figureFiles(src))));
  return data;
}

async function readData(files: Files): Promise<FigureData> {
  const manifest = await readManifest(files);
  const text = new TextDecoder().decode(await files.bytes("data/figure.json"));
  const { anchors } = JSON.parse(text) as { anchors: { name: string; z: number[]; label: number }[] };
  const runs = await Promise.all(manifest.runs.map((entry) => openRun(files, entry)));
  return { runs, anchors: anchors.map((anchor) => ({ ...anchor, z: Float32Array.from(anchor.z) })) };
}

async function openRun(files: Files, entry: RunEntry): Promise<FigureRun> {
  const decoding = pageDecoder(files, entry);
  const [table, read, { sliders }] = await Promise.all([
    readTable(files, entry),
    readLatents(files, entry),
    readDirections(files, entry),
  ]);
  const decoder = await decoding;
  const chart = entry.charts[0];
  const latents = read!.values;
  const positions = table.positions(chart);
  const grid = new Grid(positions);
  const inverse = new PlaneInverse(chart, entry.dim);
  inverse.refine({ latents, positions, nearest: (x, y, k) => grid.nearestMany(x, y, k) });
  const decode: FigureRun["decode"] = (z, n, stream, label) => {
    const labels = !entry.classes.length ? undefined : typeof label === "number" ? new Array<number>(n).fill(label) : label;
    return decoder.decode(z.slice(), n, { labels, stream });
  };
  return { entry, table, latents, chart, positions, grid, inverse, sliders, decode };
}
