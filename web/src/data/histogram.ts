/** Histograms of the columns, of all points and of those that meet a filter. */

import type { Column } from "../contract";
import { maskOf, type Condition } from "./filter";
import type { Table } from "./table";

export const BINS = 24; // of a number

/** A class, a value of a flag, or a range of numbers. */
export interface Bin {
  text: string;
  value: number; // of a class or flag; otherwise the number of the bin
  low: number; // of a number
  high: number;
  all: number; // points
  shown: number; // points that meet the conditions on the other columns
}

/**
 * The bins of a column. Conditions on the column itself are ignored, so that its other values can still be chosen. `mask`
 * holds the rows that meet all conditions.
 */
export function histogram(column: Column, table: Table, conditions: readonly Condition[], mask: Uint8Array | null): Bin[] {
  const others = conditions.filter((item) => item.column !== column.name);
  const shownRows = others.length === conditions.length ? mask : others.length ? maskOf(others, table) : null;
  const { bins, binOf } = binned(column, table);
  if (!shownRows) return bins.map((bin) => ({ ...bin, shown: bin.all }));
  const shown = new Int32Array(bins.length + 1);
  for (let row = 0; row < binOf.length; row++) shown[binOf[row]] += shownRows[row];
  return bins.map((bin, i) => ({ ...bin, shown: shown[i] }));
}

/** The bins of a column with all points, and the bin of each row: that after the last one for a missing value. */
interface Binned {
  bins: Bin[];
  binOf: Uint16Array;
}

const cache = new WeakMap<Table, Map<Column, Binned>>(); // a filter changes neither

function binned(column: Column, table: Table): Binned {
  const columns = cache.get(table) ?? new Map<Column, Binned>();
  cache.set(table, columns);
  let result = columns.get(column);
  if (!result) {
    const bins = emptyBins(column);
    const binOf = binsOf(column, table, bins.length);
    const all = new Int32Array(bins.length + 1);
    for (let row = 0; row < binOf.length; row++) all[binOf[row]] += 1;
    columns.set(column, (result = { bins: bins.map((bin, i) => ({ ...bin, all: all[i] })), binOf }));
  }
  return result;
}

function emptyBins(column: Column): Bin[] {
  const empty = { low: NaN, high: NaN, all: 0, shown: 0 };
  if (column.kind === "class") return (column.values ?? []).map((text, value) => ({ ...empty, text, value }));
  if (column.kind === "flag") return [0, 1].map((value) => ({ ...empty, text: value ? "yes" : "no", value }));
  const [low, high] = column.range ?? [0, 1];
  const edge = (i: number) => low + ((high - low) * i) / BINS;
  return Array.from({ length: BINS }, (_, value) => ({ ...empty, text: "", value, low: edge(value), high: edge(value + 1) }));
}

/** The bin of each row; values beyond the range of a number are in the first or the last bin. */
function binsOf(column: Column, table: Table, count: number): Uint16Array {
  const result = new Uint16Array(table.count);
  if (column.kind !== "number") {
    const values = column.kind === "class" ? table.classOf(column.name) : table.flag(column.name);
    for (let row = 0; row < result.length; row++) result[row] = Math.min(values[row], count);
    return result;
  }
  const values = table.number(column.name);
  const [low, high] = column.range ?? [0, 1];
  const step = count / (high - low || 1);
  for (let row = 0; row < result.length; row++) {
    const bin = Math.min(Math.max(Math.floor((values[row] - low) * step), 0), count - 1);
    result[row] = Number.isNaN(bin) ? count : bin;
  }
  return result;
}
