/** Which points are shown: conditions on columns, and the words in which a person writes them. */

import type { Column } from "../contract";
import type { Table } from "./table";

/** All must hold. A number that is missing meets no condition. */
export type Condition =
  | { kind: "class"; column: string; values: number[] }
  | { kind: "flag"; column: string; yes: boolean }
  | { kind: "number"; column: string; low: number; high: number; strict: boolean }; // strict: without the bounds themselves

export interface Query {
  conditions: Condition[];
  problems: string[]; // a sentence for each word that was not understood
}

/** 1 for each row that meets all conditions. */
export function maskOf(conditions: readonly Condition[], table: Table): Uint8Array {
  const mask = new Uint8Array(table.count).fill(1);
  for (const condition of conditions) {
    if (condition.kind === "class")
      keepClasses(mask, table.classOf(condition.column), condition.values);
    else if (condition.kind === "flag")
      keepFlag(mask, table.flag(condition.column), condition.yes ? 1 : 0);
    else
      keepNumbers(
        mask,
        condition.column === "index" ? table.index : table.number(condition.column),
        condition,
      );
  }
  return mask;
}

function keepClasses(mask: Uint8Array, values: Uint8Array | Uint16Array, wanted: number[]): void {
  const kept = new Uint8Array(65536);
  for (const value of wanted) kept[value] = 1;
  for (let i = 0; i < mask.length; i++) mask[i] &= kept[values[i]];
}

function keepFlag(mask: Uint8Array, values: Uint8Array, wanted: number): void {
  for (let i = 0; i < mask.length; i++) if (values[i] !== wanted) mask[i] = 0;
}

function keepNumbers(
  mask: Uint8Array,
  values: ArrayLike<number>,
  { low, high, strict }: Condition & { kind: "number" },
): void {
  // Values are float32, so 0.1 must mean the float32 nearest to it.
  const [from, to] =
    values instanceof Float32Array ? [Math.fround(low), Math.fround(high)] : [low, high];
  for (let i = 0; i < mask.length; i++) {
    const value = values[i];
    if (!(strict ? value > from && value < to : value >= from && value <= to)) mask[i] = 0;
  }
}

const INDEX: Column = { name: "index", title: "index", kind: "number" };

/**
 * Conditions from words such as `label=7,9 split!=test Smiling !Male error>0.1 error=0.1..0.2 index=123`; names with
 * spaces are quoted. A class's value alone is enough where only one column has it.
 */
export function parseQuery(text: string, columns: readonly Column[]): Query {
  const query: Query = { conditions: [], problems: [] };
  const known = columns.some((column) => column.name === "index") ? columns : [...columns, INDEX];
  for (const word of text.match(/(?:"(?:[^"\\]|\\.)*"?|[^\s"])+/gs) ?? []) {
    const found = condition(word, known);
    if (typeof found === "string") query.problems.push(found);
    else query.conditions.push(found);
  }
  return query;
}

function condition(word: string, columns: readonly Column[]): Condition | string {
  const parts = /^(!?)((?:"(?:[^"\\]|\\.)*"?|[^"=<>!])+?)(?:(!=|>=|<=|=|>|<)(.*))?$/s.exec(word);
  if (!parts)
    return `${word} is no condition: write a name, or a name and a value such as label=7.`;
  const [, not, quoted, sign, right] = parts;
  const name = bare(quoted);
  const column =
    columns.find((one) => same(one.name, name)) ?? columns.find((one) => same(one.title, name));
  if (sign === undefined) return alone(name, not === "!", column, columns);
  if (!column)
    return `There is no column ${name}.${hint(
      name,
      columns.map((one) => one.name),
    )}`;
  if (not) return `${word}: leave out the "!" and turn the sign instead.`;
  if (column.kind === "number") return numbers(column, sign, bare(right));
  if (sign !== "=" && sign !== "!=") return `${column.name} has no order: use = or != with it.`;
  if (column.kind === "flag") return flag(column, bare(right), sign === "=");
  return classes(column, right, sign === "=");
}

/** A word without a value: a flag, or a class's value. */
function alone(
  name: string,
  not: boolean,
  column: Column | undefined,
  columns: readonly Column[],
): Condition | string {
  if (column?.kind === "flag") return { kind: "flag", column: column.name, yes: !not };
  if (column) return `${column.name} needs a value: ${example(column)}.`;
  const having = columns.filter((one) => one.values?.some((value) => same(value, name)));
  if (having.length === 1) return classes(having[0], inQuotes(name), !not);
  if (having.length > 1)
    return `${name} is a value of ${having.map((one) => one.name).join(" and ")}: write ${having[0].name}=${name}.`;
  const words = columns.flatMap((one) => [one.name, ...(one.values ?? [])]);
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
    const value = exact >= 0 ? exact : all.findIndex((one) => same(one, name));
    if (value < 0) return `${column.name} is never ${name}.${hint(name, all)}`;
    wanted.push(value);
  }
  if (!wanted.length) return `${column.name} needs a value: ${example(column)}.`;
  const values = yes
    ? wanted
    : all.map((_, value) => value).filter((value) => !wanted.includes(value));
  return { kind: "class", column: column.name, values };
}

function numbers(column: Column, sign: string, text: string): Condition | string {
  const ends = text.split("..").map((part) => (part.trim() === "" ? NaN : Number(part)));
  if (ends.length > 2 || ends.some(Number.isNaN))
    return `${column.name} needs a number, not "${text}": ${example(column)}.`;
  if (ends.length === 2 && sign !== "=") return `A range goes with "=": ${column.name}=${text}.`;
  const [low, high] =
    ends.length === 2 ? [Math.min(...ends), Math.max(...ends)] : [ends[0], ends[0]];
  const base = { kind: "number", column: column.name } as const;
  if (sign === "=") return { ...base, low, high, strict: false };
  if (sign === "!=") return `${column.name}!=${text} is not offered: use < or >.`;
  return sign[0] === ">"
    ? { ...base, low, high: Infinity, strict: sign === ">" }
    : { ...base, low: -Infinity, high, strict: sign === "<" };
}

function example(column: Column): string {
  if (column.kind === "number") return `${column.name}>${(column.range?.[0] ?? 0).toPrecision(2)}`;
  return `${column.name}=${quoted(column.values?.[0] ?? "")}`;
}

/** In quotes if it would be misread without; a quote inside has a backslash before it. */
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
    .filter(
      ({ word, steps }) =>
        steps <= Math.max(1, word.length / 3) && steps < Math.min(name.length, word.length),
    )
    .sort((a, b) => a.steps - b.steps);
  if (near.length) return ` Did you mean ${near[0].word}?`;
  return words.length > 0 && words.length <= 12 ? ` There are ${words.join(", ")}.` : "";
}

/** Letters to change, add or drop to get from one word to the other. */
function edits(a: string, b: string): number {
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++)
      row.push(
        Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    last = row;
  }
  return last[b.length];
}
