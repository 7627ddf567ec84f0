/** The rows that a filter selects: sorted, and as a CSV file. */

import type { Column } from "../contract";
import type { Table } from "./table";

/** The selected rows, sorted by a column; missing numbers come last. Without a column, in their order. */
export function sortedRows(table: Table, mask: Uint8Array | null, column: Column | null, down: boolean): Int32Array {
  const all = new Int32Array(table.count);
  let count = 0;
  for (let row = 0; row < all.length; row++) if (!mask || mask[row]) all[count++] = row;
  const rows = all.subarray(0, count);
  if (!column) return down ? rows.reverse() : rows;
  const values = valuesOf(table, column);
  const sign = down ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [values[a], values[b]];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
    return sign * (x - y) || a - b;
  });
}

/** The rows with all columns as CSV (RFC 4180), the number in the data set first. */
export function csv(table: Table, rows: Int32Array, columns: readonly Column[]): string {
  const values = columns.map((column) => textsOf(table, column));
  const lines = [["index", ...columns.map(({ name }) => name)].map(field).join(",")];
  for (const row of rows) lines.push([String(table.index[row]), ...values.map((text) => field(text(row)))].join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/** The values of a column by row: numbers, indices of classes, or flags. */
export function valuesOf(table: Table, { name, kind }: Column): ArrayLike<number> {
  if (name === "index") return table.index;
  return kind === "class" ? table.classOf(name) : kind === "flag" ? table.flag(name) : table.number(name);
}

function textsOf(table: Table, column: Column): (row: number) => string {
  const values = valuesOf(table, column);
  if (column.kind === "class") return (row) => column.values?.[values[row]] ?? "";
  return (row) => (Number.isNaN(values[row]) ? "" : String(Number(values[row].toPrecision(7))));
}

/** A field, quoted if needed. A text that a spreadsheet would run as a formula begins with an apostrophe. */
function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
