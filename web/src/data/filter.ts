/** Filters: conditions on columns, and the query language for them. */

import type { Column } from "../contract";
import type { Table } from "./table";

/** A row must meet all conditions. A missing number meets none. */
export type Condition =
  | { kind: "class"; column: string; values: number[] }
  | { kind: "flag"; column: string; yes: boolean }
  | { kind: "number"; column: string; low: number; high: number; strict: boolean }; // strict: excluding the bounds

export interface Query {
  conditions: Condition[];
  problems: string[]; // a message for each part that could not be parsed
}

/** A query with the rows that meet it. */
export interface Selection extends Query {
  mask: Uint8Array | null; // 1 for each row that meets all conditions; null without conditions
  count: number;
}

/** Parse a query, and select its rows. */
export function select(text: string, table: Table, columns: readonly Column[]): Selection {
  const query = parseQuery(text, columns);
  const mask = query.conditions.length ? maskOf(query.conditions, table) : null;
  let count = mask ? 0 : table.count;
  if (mask) for (let row = 0; row < mask.length; row++) count += mask[row];
  return { ...query, mask, count };
}

/** 1 for each row that meets all conditions. */
export function maskOf(conditions: readonly Condition[], table: Table): Uint8Array {
  const mask = new Uint8Array(table.count).fill(1);
  for (const condition of conditions) {
    if (condition.kind === "class") keepClasses(mask, table.classOf(condition.column), condition.values);
    else if (condition.kind === "flag") keepFlag(mask, table.flag(condition.column), condition.yes ? 1 : 0);
    else keepNumbers(mask, condition.column === "index" ? table.index : table.number(condition.column), condition);
  }
  return mask;
}

function keepClasses(mask: Uint8Array, values: Uint8Array | Uint16Array, wanted: number[]): void {
  const matches = new Uint8Array(65536);
  for (const value of wanted) matches[value] = 1;
  for (let i = 0; i < mask.length; i++) mask[i] &= matches[values[i]];
}

function keepFlag(mask: Uint8Array, values: Uint8Array, wanted: number): void {
  for (let i = 0; i < mask.length; i++) if (values[i] !== wanted) mask[i] = 0;
}

function keepNumbers(
  mask: Uint8Array,
  values: ArrayLike<number>,
  { low, high, strict }: Condition & { kind: "number" },
): void {
  // Values are float32, so bounds are rounded to float32 too.
  const [from, to] = values instanceof Float32Array ? [Math.fround(low), Math.fround(high)] : [low, high];
  for (let i = 0; i < mask.length; i++) {
    const value = values[i];
    if (!(strict ? value > from && value < to : value >= from && value <= to)) mask[i] = 0;
  }
}

const INDEX: Column = { name: "index", title: "index", kind: "number" };

/**
 * Parse conditions such as `label=7,9 split!=test Smiling !Male error>0.1 error=0.1..0.2 index=123`; names with
 * spaces are quoted. A class name without a column is enough if only one column has it.
 */
export function parseQuery(text: string, columns: readonly Column[]): Query {
  const query: Query = { conditions: [], problems: [] };
  const all = columns.some((column) => column.name === "index") ? columns : [...columns, INDEX];
  for (const word of wordsOf(text)) {
    const result = condition(word, all);
    if (typeof result === "string") query.problems.push(result);
    else query.conditions.push(result);
  }
  return query;
}

const wordsOf = (text: string): string[] => text.match(/(?:"(?:[^"\\]|\\.)*"?|[^\s"])+/gs) ?? [];

/** The text with this condition instead of all others on the column; without it if `word` is null. */
export function replaced(text: string, columns: readonly Column[], column: string, word: string | null): string {
  const others = wordsOf(text).filter((item) => parseQuery(item, columns).conditions[0]?.column !== column);
  return [...others, ...(word === null ? [] : [word])].join(" ");
}

function condition(word: string, columns: readonly Column[]): Condition | string {
  const parts = /^(!?)((?:"(?:[^"\\]|\\.)*"?|[^"=<>!])+?)(?:(!=|>=|<=|=|>|<)(.*))?$/s.exec(word);
  if (!parts) return `${word} is not a condition. Write a name, or a name and a value such as label=7.`;
  const [, not, quoted, sign, right] = parts;
  const name = bare(quoted);
  const column = columns.find((item) => same(item.name, name)) ?? columns.find((item) => same(item.title, name));
  if (sign === undefined) return bareName(name, not === "!", column, columns);
  if (!column)
    return `There is no column ${name}.${hint(
      name,
      columns.map((item) => item.name),
    )}`;
  if (not) return `${word}: remove the "!" and use != instead.`;
  if (column.kind === "number") return numbers(column, sign, bare(right));
  if (sign !== "=" && sign !== "!=") return `${column.name} has no order: use = or != with it.`;
  if (column.kind === "flag") return flag(column, bare(right), sign === "=");
  return classes(column, right, sign === "=");
}

/** A name without a value: a flag, or a class. */
function bareName(
  name: string,
  not: boolean,
  column: Column | undefined,
  columns: readonly Column[],
): Condition | string {
  if (column?.kind === "flag") return { kind: "flag", column: column.name, yes: !not };
  if (column) return `${column.name} needs a value: ${example(column)}.`;
  const having = columns.filter((item) => item.values?.some((value) => same(value, name)));
  if (having.length === 1) return classes(having[0], inQuotes(name), !not);
  if (having.length > 1)
    return `${name} is a value of ${having.map((item) => item.name).join(" and ")}: write ${having[0].name}=${name}.`;
  const words = columns.flatMap((item) => [item.name, ...(item.values ?? [])]);
  return `There is no column or class ${name}.${hint(name, words)}`;
}

function flag(column: Column, value: string, yes: boolean): Condition | string {
  if (/^(yes|true|1)$/i.test(value)) return { kind: "flag", column: column.name, yes };
  if (/^(no|false|0)$/i.test(value)) return { kind: "flag", column: column.name, yes: !yes };
  return `${column.name} is yes or no, not ${value}.`;
}

function classes(column: Column, text: string, yes: boolean): Condition | string {
  const all = column.values ?? [];
  const wanted: number[] = [];
  for (const part of text.match(/(?:"(?:[^"\\]|\\.)*"?|[^,"])+/gs) ?? []) {
    const name = bare(part);
    const exact = all.indexOf(name);
    const value = exact >= 0 ? exact : all.findIndex((item) => same(item, name));
    if (value < 0) return `${column.name} has no value ${name}.${hint(name, all)}`;
    wanted.push(value);
  }
  if (!wanted.length) return `${column.name} needs a value: ${example(column)}.`;
  const values = yes ? wanted : all.map((_, value) => value).filter((value) => !wanted.includes(value));
  return { kind: "class", column: column.name, values };
}

function numbers(column: Column, sign: string, text: string): Condition | string {
  const ends = text.split("..").map((part) => (part.trim() === "" ? NaN : Number(part)));
  if (ends.length > 2 || ends.some(Number.isNaN))
    return `${column.name} needs a number, not "${text}": ${example(column)}.`;
  if (ends.length === 2 && sign !== "=") return `A range goes with "=": ${column.name}=${text}.`;
  const [low, high] = ends.length === 2 ? [Math.min(...ends), Math.max(...ends)] : [ends[0], ends[0]];
  const base = { kind: "number", column: column.name } as const;
  if (sign === "=") return { ...base, low, high, strict: false };
  if (sign === "!=") return `${column.name}!=${text} is not supported: use < or >.`;
  return sign[0] === ">"
    ? { ...base, low, high: Infinity, strict: sign === ">" }
    : { ...base, low: -Infinity, high, strict: sign === "<" };
}

function example(column: Column): string {
  if (column.kind === "number") return `${column.name}>${(column.range?.[0] ?? 0).toPrecision(2)}`;
  return `${column.name}=${quoted(column.values?.[0] ?? "")}`;
}

/** The name, quoted where the query language requires it; quotes inside are escaped with a backslash. */
export function quoted(name: string): string {
  return /^[^\s",=<>!\\]+$/.test(name) ? name : inQuotes(name);
}

function inQuotes(name: string): string {
  return `"${name.replace(/["\\]/g, "\\$&")}"`;
}

function bare(text: string): string {
  const inner = /^"((?:[^"\\]|\\.)*)"?$/s.exec(text.trim())?.[1];
  return inner === undefined ? text.trim() : inner.replace(/\\(.)/gs, "$1");
}

function same(a: string, b: string): boolean {
  return a.localeCompare(b, undefined, { sensitivity: "accent" }) === 0;
}

function hint(name: string, words: readonly string[]): string {
  const near = [...new Set(words)]
    .map((word) => ({ word, steps: edits(name.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, steps }) => steps <= Math.max(1, word.length / 3) && steps < Math.min(name.length, word.length))
    .sort((a, b) => a.steps - b.steps);
  if (near.length) return ` Did you mean ${near[0].word}?`;
  return words.length > 0 && words.length <= 12 ? ` There are ${words.join(", ")}.` : "";
}

/** The Levenshtein distance of two words. */
function edits(a: string, b: string): number {
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    last = row;
  }
  return last[b.length];
}
