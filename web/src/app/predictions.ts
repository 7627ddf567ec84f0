/** Predicted attributes of a latent: exclusive classes sum to 1, other attributes stand alone. */

import type { Column } from "../contract";
import type { Table } from "../data";

export interface Group {
  title: string; // of the column; empty for attributes that do not exclude each other
  entries: [name: string, probability: number][]; // the highest first
}

const COMPARED = 2000; // rows that show whether a flag repeats a class

/** The predictions by class column, then those of all flags that repeat none of their classes. */
export function grouped(probabilities: readonly [string, number][], columns: readonly Column[], table: Table): Group[] {
  const left = new Map(probabilities);
  const result: Group[] = [];
  const repeated = new Set<string>();
  for (const column of columns.filter(({ kind, name }) => kind === "class" && name !== "split")) {
    const nameOf = (value: string) => (column.name === "label" ? value : `${column.name}=${value}`);
    const own = (column.values ?? []).flatMap((value): [string, number][] => (left.has(nameOf(value)) ? [[value, left.get(nameOf(value))!]] : []));
    if (own.length < 2) continue;
    const sum = own.reduce((total, [, probability]) => total + probability, 0) || 1;
    result.push({ title: column.title, entries: sorted(own.map(([value, probability]) => [value, probability / sum])) });
    for (const [value] of own) left.delete(nameOf(value));
    for (const flag of columns) if (flag.kind === "flag" && left.has(flag.name) && repeats(flag, column, table)) repeated.add(flag.name);
  }
  const flags = [...left].filter(([name]) => !repeated.has(name));
  return flags.length ? [...result, { title: "", entries: sorted(flags) }] : result;
}

/** Whether a flag is set in exactly the rows of one class. */
function repeats(flag: Column, column: Column, table: Table): boolean {
  const [flags, values] = [table.flag(flag.name), table.classOf(column.name)];
  let set = -1; // the class of the rows with the flag
  for (let row = 0; row < Math.min(table.count, COMPARED); row++) {
    if (!flags[row]) continue;
    if (set >= 0 && values[row] !== set) return false;
    set = values[row];
  }
  if (set < 0) return false;
  for (let row = 0; row < Math.min(table.count, COMPARED); row++) if (values[row] === set && !flags[row]) return false;
  return true;
}

const sorted = (entries: [string, number][]) => entries.sort((a, b) => b[1] - a[1]);

/** The values by name, the highest first, of the names that are to be listed. */
export function ranked(names: readonly string[], values: ArrayLike<number>, listed: (name: string, i: number) => boolean): [string, number][] {
  return sorted(names.flatMap((name, i): [string, number][] => (listed(name, i) ? [[name, values[i]]] : [])));
}
