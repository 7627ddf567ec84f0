/** Point colours and their legend. */

import { THEMES, type Column } from "../contract";
import type { Table } from "./table";

export type ThemeName = "light" | "dark";

/** Colours as #rrggbb. */
export interface Theme {
  paper: string;
  classes: string[]; // neighboring colours differ for colour-blind readers
  scale: string[]; // for numbers, the lightness increases evenly
  no: string; // a flag that is not set
  yes: string;
  missing: string;
}

export const COLOURS: Record<ThemeName, Theme> = {
  light: { ...THEMES.light, no: "#b9c0c7", yes: "#aa3377", missing: "#c4c4c4" },
  dark: { ...THEMES.dark, no: "#545b63", yes: "#ff8fcb", missing: "#4d5258" },
};

/** `values` are the column's values that are drawn in the entry's colour. */
export interface LegendEntry {
  text: string;
  colour: string;
  values: number[];
  count: number;
}

export type Legend =
  | { kind: "class" | "flag"; title: string; entries: LegendEntry[] }
  | { kind: "number"; title: string; range: [number, number]; colours: string[]; missing: LegendEntry | null };

/** A palette index for each point, and the palette (RGBA). */
export interface Colouring {
  indices: Uint8Array;
  palette: Uint8Array;
  legend: Legend;
}

const LAST = 255;

/** The colours of a column; without a column, one colour for all points. */
export function colouring(column: Column | null, table: Table, name: ThemeName): Colouring {
  const theme = COLOURS[name];
  if (!column) return plain(table, theme);
  if (column.kind === "number") return byNumber(column, table, theme);
  return column.kind === "flag" ? byFlag(column, table, theme) : byClass(column, table, theme, name);
}

function plain(table: Table, theme: Theme): Colouring {
  const entries = [{ text: "all", colour: theme.classes[0], values: [], count: table.count }];
  const palette = paletteOf([theme.classes[0]], theme);
  return { indices: new Uint8Array(table.count), palette, legend: { kind: "class", title: "", entries } };
}

function byFlag(column: Column, table: Table, theme: Theme): Colouring {
  const indices = table.flag(column.name);
  const yes = indices.reduce((sum, index) => sum + index, 0);
  const entries = [
    { text: "yes", colour: theme.yes, values: [1], count: yes },
    { text: "no", colour: theme.no, values: [0], count: table.count - yes },
  ];
  return {
    indices,
    palette: paletteOf([theme.no, theme.yes], theme),
    legend: { kind: "flag", title: column.title, entries },
  };
}

/**
 * Up to twelve classes get one colour each. Of more classes, the most frequent twenty-four are distinguished, the
 * second twelve by paler shades of the first twelve; all others share the colour of "other".
 */
function byClass(column: Column, table: Table, theme: Theme, name: ThemeName): Colouring {
  const values = table.classOf(column.name);
  const names = column.values ?? [];
  const counts = new Int32Array(names.length + 1); // the last one counts missing values
  for (let i = 0; i < values.length; i++) counts[Math.min(values[i], names.length)]++;
  const shown = distinct(names.length, counts, theme.classes.length);
  const entries: LegendEntry[] = shown.map((value, index) => ({
    text: names[value],
    colour: namedColour(names, names[value], name) ?? shade(index, theme),
    values: [value],
    count: counts[value],
  }));
  const indexOf = new Uint8Array(names.length + 1).fill(LAST);
  shown.forEach((value, index) => (indexOf[value] = index));
  const indices = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) indices[i] = indexOf[Math.min(values[i], names.length)];
  const palette = paletteOf(
    entries.map((entry) => entry.colour),
    theme,
  );
  const others = names.map((_, value) => value).filter((value) => indexOf[value] === LAST);
  const count = others.reduce((sum, value) => sum + counts[value], 0) + counts[names.length];
  if (count > 0)
    entries.push({ text: others.length ? "other" : "missing", colour: theme.missing, values: others, count });
  return { indices, palette, legend: { kind: "class", title: column.title, entries } };
}

/** Colours of classes whose names are colours, for a light and a dark page. */
const WORDS: Record<string, [light: string, dark: string]> = {
  black: ["#2d2a2a", "#6b6565"],
  white: ["#d9d4c5", "#f4f1e8"],
  gray: ["#8f959b", "#a9afb5"],
  grey: ["#8f959b", "#a9afb5"],
  brown: ["#8a5a34", "#b07c50"],
  blond: ["#dcb13c", "#ecca66"],
  blonde: ["#dcb13c", "#ecca66"],
  red: ["#cc3b2f", "#ee6a5c"],
  auburn: ["#a4452c", "#cf7254"],
  orange: ["#ea7d24", "#ff9f55"],
  yellow: ["#e3c11d", "#f2d955"],
  green: ["#2f8f3e", "#5fc26e"],
  blue: ["#3467c9", "#6f9cf2"],
  purple: ["#7d44b8", "#ac7ce0"],
  violet: ["#7d44b8", "#ac7ce0"],
  pink: ["#e06a9f", "#f595c0"],
};

/** The colour that a class is named after; only if all classes are named after different colours. */
function namedColour(names: readonly string[], name: string, theme: ThemeName): string | null {
  const at = theme === "light" ? 0 : 1;
  const all = names.map((item) => WORDS[item.toLowerCase()]?.[at]);
  return all.length > 1 && all.every(Boolean) && new Set(all).size === all.length ? WORDS[name.toLowerCase()][at] : null;
}

function distinct(classes: number, counts: Int32Array, colours: number): number[] {
  const all = Array.from({ length: classes }, (_, value) => value);
  if (classes <= colours) return all;
  const mostFrequent = all.sort((a, b) => counts[b] - counts[a] || a - b).slice(0, 2 * colours);
  return mostFrequent.sort((a, b) => a - b);
}

function shade(index: number, theme: Theme): string {
  const colour = theme.classes[index % theme.classes.length];
  return index < theme.classes.length ? colour : mixed(colour, theme.paper, 0.42);
}

function byNumber(column: Column, table: Table, theme: Theme): Colouring {
  const values = table.number(column.name);
  const range = column.range ?? extent(values);
  const step = (LAST - 1) / (range[1] - range[0] || 1);
  const indices = new Uint8Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const missing = Number.isNaN(values[i]);
    if (missing) count++;
    indices[i] = missing ? LAST : Math.max(0, Math.min(LAST - 1, Math.round((values[i] - range[0]) * step)));
  }
  const colours = Array.from({ length: LAST }, (_, index) => scaleColour(theme, index / (LAST - 1)));
  const missing = count ? { text: "missing", colour: theme.missing, values: [], count } : null;
  const legend: Legend = { kind: "number", title: column.title, range, colours: theme.scale, missing };
  return { indices, palette: paletteOf(colours, theme), legend };
}

/** The smallest and the largest value; missing values are ignored. */
function extent(values: Float32Array): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/** The colours as RGBA; unused indices get the colour of missing values. */
function paletteOf(colours: string[], theme: Theme): Uint8Array {
  const palette = new Uint8Array(4 * (LAST + 1));
  for (let index = 0; index <= LAST; index++) palette.set([...rgbOf(colours[index] ?? theme.missing), 255], 4 * index);
  return palette;
}

/** The colour at a position (0 to 1) of the scale for numbers. */
export function scaleColour({ scale }: Theme, part: number): string {
  const at = Math.max(0, Math.min(1, part)) * (scale.length - 1);
  const i = Math.min(Math.floor(at), scale.length - 2);
  return mixed(scale[i], scale[i + 1], at - i);
}

/** #rrggbb as three bytes. */
export function rgbOf(colour: string): [number, number, number] {
  const value = parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function mixed(a: string, b: string, part: number): string {
  const other = rgbOf(b);
  const bytes = rgbOf(a).map((value, i) => Math.round(value + (other[i] - value) * part));
  return `#${bytes.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
