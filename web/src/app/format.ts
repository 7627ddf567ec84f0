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

/** The value of one row in one column as text. */
export function valueText(table: Table, column: Column, row: number): string {
  if (column.kind === "class") return column.values?.[table.classOf(column.name)[row]] ?? "";
  if (column.kind === "flag") return table.flag(column.name)[row] ? "yes" : "no";
  return short(table.number(column.name)[row]);
}

/** A name as one argument of a shell command, quoted for POSIX shells. */
export function shellWord(name: string): string {
  if (/^[\w@%+=:,./-]+$/.test(name) && !name.startsWith("-")) return name;
  return /\p{C}/u.test(name) ? "RUN" : `'${name.replaceAll("'", `'"'"'`)}'`;
}
