/** The points' columns as typed arrays. */

import { tableFromIPC } from "@uwdata/flechette";

import type { ChartEntry, Column, RunEntry, Square } from "../contract";
import type { Files } from "../types";

/** The columns of the points as typed arrays; each array is read on first use and cached. */
export interface Table {
  readonly count: number;
  readonly columns: readonly Column[];
  readonly index: Int32Array; // row in the data set
  classOf(name: string): Uint8Array | Uint16Array; // into `values` of the column
  number(name: string): Float32Array; // NaN is missing
  flag(name: string): Uint8Array; // 0 or 1
  positions(chart: ChartEntry): Float32Array; // x, y, x, y ...
  rank(row: number): number; // its rank in the random order of all points
  readonly within: readonly Square[]; // of a tile: the squares inside it
}

export async function readTable(files: Files, entry: RunEntry): Promise<Table> {
  return openTable(await files.bytes(entry.table), entry.columns, entry.table);
}

/** Open a table from the bytes of an Arrow file. */
export function openTable(bytes: ArrayBuffer, columns: readonly Column[], url = "the table of points"): Table {
  const arrow = arrowOf(bytes, url);
  const cache = new Map<string, ArrayLike<number>>();

  /** The column as stored if its array type is allowed, otherwise copied into the last allowed type. */
  function values<T extends ArrayLike<number>>(name: string, kinds: (new (size: number) => T)[]): T {
    let cached = cache.get(name);
    if (!cached) {
      const column = arrow.getChild(name);
      if (!column) throw new Error(`${url} has no column ${name}; it has ${arrow.names.join(", ")}.`);
      cached = column.toArray() as ArrayLike<number>;
      if (!kinds.some((kind) => cached instanceof kind)) cached = cast(cached, kinds[kinds.length - 1]);
      cache.set(name, cached);
    }
    return kinds.some((kind) => cached instanceof kind) ? (cached as T) : cast(cached, kinds[kinds.length - 1]);
  }

  return {
    count: arrow.numRows,
    columns,
    get index() {
      return values("index", [Int32Array]);
    },
    rank: (row) => (arrow.names.includes("rank") ? values("rank", [Int32Array])[row] : row),
    get within() {
      const metadata = arrow.schema.metadata?.get("zatlas");
      return metadata ? (JSON.parse(metadata) as { squares: Square[] }).squares : [];
    },
    classOf: (name) => values<Uint8Array | Uint16Array>(name, [Uint8Array, Uint16Array]),
    number: (name) => values(name, [Float32Array]),
    flag: (name) => values(name, [Uint8Array]),
    positions: (chart) => interleaved(values(chart.x, [Float32Array]), values(chart.y, [Float32Array])),
  };
}

function arrowOf(bytes: ArrayBuffer, url: string): ReturnType<typeof tableFromIPC> {
  try {
    const arrow = tableFromIPC(bytes);
    if (arrow.numCols > 0) return arrow;
  } catch {
    // reported below
  }
  throw new Error(`${url} is not an Arrow file. Export the run again.`);
}

/** Missing values (null) become NaN, or 0 among whole numbers. */
function cast<T>(from: ArrayLike<number | null>, kind: new (size: number) => T): T {
  const to = new kind(from.length);
  const array = to as unknown as Float32Array;
  for (let i = 0; i < from.length; i++) array[i] = from[i] ?? NaN;
  return to;
}

function interleaved(x: Float32Array, y: Float32Array): Float32Array {
  const positions = new Float32Array(2 * x.length);
  for (let i = 0; i < x.length; i++) {
    positions[2 * i] = x[i];
    positions[2 * i + 1] = y[i];
  }
  return positions;
}
