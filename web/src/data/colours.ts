/** Point colours and their legend. */

import type { Column } from "../contract";
import type { Table } from "./table";

export type ThemeName = "light" | "dark";

/** Colours as #rrggbb. */
export interface Theme {
  paper: string;
  classes: readonly string[]; // neighboring colours differ for colour-blind readers
  scale: readonly [number, number]; // the part of the scale with enough contrast to the paper
  quiet: string; // of a flag that is not set
  strong: string; // of a flag that is set
  missing: string;
}

export const THEMES: Record<ThemeName, Theme> = {
  light: {
    paper: "#ffffff",
    classes: [
      "#4477aa",
      "#ee6677",
      "#228833",
      "#b8a12f",
      "#66ccee",
      "#aa3377",
      "#8a8a8a",
      "#ee7733",
      "#004488",
      "#9a5b3c",
      "#44aa99",
      "#b57edc",
    ],
    scale: [0, 0.93],
    quiet: "#b9c0c7",
    strong: "#aa3377",
    missing: "#c4c4c4",
  },
  dark: {
    paper: "#15171a",
    classes: [
      "#77aadd",
      "#ff8899",
      "#55bb66",
      "#ddcc66",
      "#99ddff",
      "#dd77bb",
      "#b5b5b5",
      "#ff9f66",
      "#5588dd",
      "#c98f6f",
      "#66ccbb",
      "#c9a3ea",
    ],
    scale: [0.22, 1],
    quiet: "#545b63",
    strong: "#ff8fcb",
    missing: "#4d5258",
  },
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
  | {
      kind: "number";
      title: string;
      range: [number, number];
      colours: string[];
      missing: LegendEntry | null;
    };

/** A palette index for each point, and the palette (RGBA). */
export interface Colouring {
  indices: Uint8Array;
  palette: Uint8Array;
  legend: Legend;
}

const LAST = 255;

/** The colours of a column; without a column, one colour for all points. */
export function colouring(column: Column | null, table: Table, theme: ThemeName): Colouring {
  if (!column) return plain(table, THEMES[theme]);
  if (column.kind === "number") return byNumber(column, table, THEMES[theme]);
  return column.kind === "flag"
    ? byFlag(column, table, THEMES[theme])
    : byClass(column, table, THEMES[theme]);
}

function plain(table: Table, theme: Theme): Colouring {
  const entries = [{ text: "all", colour: theme.classes[0], values: [], count: table.count }];
  return {
    indices: new Uint8Array(table.count),
    palette: paletteOf([theme.classes[0]], theme),
    legend: { kind: "class", title: "", entries },
  };
}

function byFlag(column: Column, table: Table, theme: Theme): Colouring {
  const indices = table.flag(column.name);
  const yes = indices.reduce((sum, index) => sum + index, 0);
  const entries = [
    { text: "yes", colour: theme.strong, values: [1], count: yes },
    { text: "no", colour: theme.quiet, values: [0], count: table.count - yes },
  ];
  return {
    indices,
    palette: paletteOf([theme.quiet, theme.strong], theme),
    legend: { kind: "flag", title: column.title, entries },
  };
}

/**
 * Up to twelve classes get one colour each. Of more classes, the most frequent twenty-four are distinguished, the
 * second twelve by paler shades of the first twelve; all others share the colour of "other".
 */
function byClass(column: Column, table: Table, theme: Theme): Colouring {
  const values = table.classOf(column.name);
  const names = column.values ?? [];
  const counts = new Int32Array(Math.max(names.length, 1) + 1);
  for (let i = 0; i < values.length; i++) counts[Math.min(values[i], names.length)]++;
  const shown = distinct(names.length, counts, theme.classes.length);
  const entries: LegendEntry[] = shown.map((value, index) => ({
    text: names[value],
    colour: shade(index, theme),
    values: [value],
    count: counts[value],
  }));
  const latentOf = new Uint8Array(names.length + 1).fill(LAST);
  shown.forEach((value, index) => (latentOf[value] = index));
  const indices = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) indices[i] = latentOf[Math.min(values[i], names.length)];
  const palette = paletteOf(
    entries.map((entry) => entry.colour),
    theme,
  );
  const others = names.map((_, value) => value).filter((value) => latentOf[value] === LAST);
  const remaining = others.reduce((sum, value) => sum + counts[value], 0) + counts[names.length];
  if (remaining > 0)
    entries.push({
      text: others.length ? "other" : "missing",
      colour: theme.missing,
      values: others,
      count: remaining,
    });
  return { indices, palette, legend: { kind: "class", title: column.title, entries } };
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
  let missing = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value !== value) {
      indices[i] = LAST;
      missing++;
    } else indices[i] = Math.max(0, Math.min(LAST - 1, Math.round((value - range[0]) * step)));
  }
  const [from, to] = theme.scale;
  const colours = Array.from({ length: LAST }, (_, index) =>
    scaleColour(from + ((to - from) * index) / (LAST - 1)),
  );
  const absent = missing
    ? { text: "missing", colour: theme.missing, values: [], count: missing }
    : null;
  const legend: Legend = {
    kind: "number",
    title: column.title,
    range,
    colours: colours.filter((_, i) => i % 16 === 0 || i === LAST - 1),
    missing: absent,
  };
  return { indices, palette: paletteOf(colours, theme), legend };
}

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
  for (let index = 0; index <= LAST; index++)
    palette.set([...rgbOf(colours[index] ?? theme.missing), 255], 4 * index);
  return palette;
}

// Dark blue over green to yellow, in Oklab: lightness, green-red, blue-yellow. Lightness grows evenly, so that the order
// is visible without colour (https://bottosson.github.io/posts/oklab/).
const SCALE = [
  [0.28, 0.06, -0.12],
  [0.44, -0.01, -0.12],
  [0.6, -0.09, -0.035],
  [0.76, -0.13, 0.09],
  [0.92, -0.04, 0.17],
] as const;

/** The colour at a position (0 to 1) of the scale for numbers. */
export function scaleColour(part: number): string {
  const at = Math.max(0, Math.min(1, part)) * (SCALE.length - 1);
  const i = Math.min(Math.floor(at), SCALE.length - 2);
  const [l, a, b] = SCALE[i].map((value, axis) => value + (SCALE[i + 1][axis] - value) * (at - i));
  return hex(fromOklab(l, a, b));
}

function fromOklab(lightness: number, a: number, b: number): number[] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((c) => 255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
}

/** #rrggbb as three bytes. */
export function rgbOf(colour: string): [number, number, number] {
  const value = parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function mixed(a: string, b: string, part: number): string {
  const other = rgbOf(b);
  return hex(rgbOf(a).map((value, i) => value + (other[i] - value) * part));
}

function hex(rgb: number[]): string {
  return (
    "#" +
    rgb
      .map((value) =>
        Math.max(0, Math.min(255, Math.round(value)))
          .toString(16)
          .padStart(2, "0"),
      )
      .join("")
  );
}
