/** Numbers and names formatted for the page. */

import type { Column } from "../contract";
import type { Table } from "../data";

const ORDER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const integer = (value: number): string => ORDER.format(value);

/** Three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "unknown";
  return Math.abs(value) >= 1000 ? integer(value) : String(Number(value.toPrecision(3)));
}

export const signed = (value: number, digits = 1): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

export const percent = (value: number): string => `${Math.round(value * 100)} %`;

/** Whether a position lies in a gap between the data. */
export const inGap = (coverage: number): boolean => coverage < 0.35;

export function distanceText(distance: number, coverage = 1): string {
  if (inGap(coverage)) return "in a gap; the image is unreliable";
  if (!Number.isFinite(distance)) return "unknown for this model";
  if (distance < 1.3) return "inside";
  if (distance < 2) return "at the edge";
  if (distance < 3) return "outside";
  return "far outside; the image is unreliable";
}

/** The value of one row in one column as text. */
export function valueText(table: Table, column: Column, row: number): string {
  if (column.kind === "class") return column.values?.[table.classOf(column.name)[row]] ?? "";
  if (column.kind === "flag") return table.flag(column.name)[row] ? "yes" : "no";
  return short(table.number(column.name)[row]);
}

/** Confidence in a decoded image: 1 inside the data, 0 in a gap. */
export function confidence(distance: number, coverage: number): number {
  const inside = Number.isFinite(distance) ? Math.min(Math.max((3.2 - distance) / 1.4, 0), 1) : 1;
  return Math.min(inside, Math.min(coverage * 1.3, 1));
}

/** A name as one argument of a shell command, quoted for POSIX shells. */
export function shellWord(name: string): string {
  if (/^[\w@%+=:,./-]+$/.test(name) && !name.startsWith("-")) return name;
  return /\p{C}/u.test(name) ? "RUN" : `'${name.replaceAll("'", `'"'"'`)}'`;
}
