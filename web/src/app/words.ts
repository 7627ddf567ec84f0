/** Numbers and names as a person would say them. */

import type { Column } from "../contract";
import type { Table } from "../data";

const ORDER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const whole = (value: number): string => ORDER.format(value);

/** Three digits that matter. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "unknown";
  return Math.abs(value) >= 1000 ? whole(value) : String(Number(value.toPrecision(3)));
}

export const signed = (value: number, digits = 1): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

export const percent = (value: number): string => `${Math.round(value * 100)} %`;

export function farWords(far: number, cover = 1): string {
  if (cover < 0.35) return "a hole; this is a guess";
  if (!Number.isFinite(far)) return "not known for this model";
  if (far < 1.3) return "amid it";
  if (far < 2) return "at its edge";
  if (far < 3) return "outside it";
  return "far outside; this is a guess";
}

/** What the table says of one image in one column. */
export function valueWords(table: Table, column: Column, row: number): string {
  if (column.kind === "class") return column.values?.[table.classOf(column.name)[row]] ?? "";
  if (column.kind === "flag") return table.flag(column.name)[row] ? "yes" : "no";
  return short(table.number(column.name)[row]);
}

/** How much a picture of a place is to be believed: 1 amid the data, 0 in a hole. */
export function trustOf(far: number, cover: number): number {
  const near = Number.isFinite(far) ? Math.min(Math.max((3.2 - far) / 1.4, 0), 1) : 1;
  return Math.min(near, Math.min(cover * 1.3, 1));
}

/** A name as one word of a command that is shown to be copied, quoted for a POSIX shell. */
export function shellWord(name: string): string {
  if (/^[\w@%+=:,./-]+$/.test(name) && !name.startsWith("-")) return name;
  return /\p{C}/u.test(name) ? "RUN" : `'${name.replaceAll("'", `'"'"'`)}'`;
}
