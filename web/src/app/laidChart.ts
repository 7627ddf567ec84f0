/** Charts with the positions of their points. */

import type { ChartEntry } from "../contract";
import { fromHalf } from "../data";
import type { Lattice, PlaneInverse } from "../latent";
import type { Files } from "../types";
import type { Grid } from "../map";
import type { RunState } from "./run.svelte";

/** An image of a map, and the pixel of a position on it. */
export interface MapPicture {
  canvas: HTMLCanvasElement;
  pixelOf: (x: number, y: number) => [number, number];
}

/** What the page asks the inverse of a chart. */
export type MapInverse = Pick<PlaneInverse, "inverse" | "inverseAll" | "coverage" | "forward" | "fine" | "refine">;

/** A chart with the positions of the points. */
export interface LaidChart {
  site: ChartEntry;
  positions: Float32Array;
  grid: Grid;
  inverse: MapInverse;
  first: { positions: Float32Array; grid: Grid }; // without points from tiles: a uniform sample
  home: Grid; // in whose dense regions the page begins
}

/** The map of an earlier checkpoint of a training. */
export interface Snapshot {
  epoch: number;
  index: Int32Array; // of each point in the data set
  positions: Float32Array;
  run: RunState | null; // with the latents and the decoder of that epoch, if the page still has them
}

/** The positions, but of each point that has an old position that one. */
export function movedFrom(
  positions: Float32Array,
  index: ArrayLike<number>,
  old: Float32Array,
  rowOf: (index: number) => number | undefined,
): Float32Array {
  const result = positions.slice();
  for (let row = 0; row < index.length; row++) {
    const before = rowOf(index[row]);
    if (before !== undefined) result.set(old.subarray(2 * before, 2 * before + 2), 2 * row);
  }
  return result;
}

/** The latents and the data coverage on a grid over a chart. */
export async function readLattice(files: Files, site: ChartEntry): Promise<Lattice> {
  const [latents, coverage] = await Promise.all([files.bytes(site.lattice.url), files.bytes(site.coverage)]);
  return { latents: fromHalf(latents), coverage: new Uint8Array(coverage), n: site.lattice.n };
}

/** The rows in reverse order. */
export function reversed(rows: Float32Array, dim: number): Float32Array {
  const count = rows.length / dim;
  const result = new Float32Array(rows.length);
  for (let i = 0; i < count; i++) result.set(rows.subarray((count - 1 - i) * dim, (count - i) * dim), i * dim);
  return result;
}
