/** Anchors and directions that a link names by what they are, so that it works in every run that has them. */

import type { Column, DirectionEntry, RunEntry } from "../contract";
import type { Table } from "../data";
import { Grid, landmarks } from "../map";
import type { Anchor } from "./anchor";
import type { LinkState } from "./link";
import { inGap } from "./place";
import type { RunState } from "./run.svelte";

const PATTERN = /^(dense|apart|gap)-([1-9])$/;
const TOP = "*"; // the direction with the largest side effect in `amounts`, that side effect in `held`
const SEPARATES = 0.75; // area under the ROC curve from which on a direction is an example
const SHOWN = 2; // standard deviations that a direction is moved by in an example
const SIDE = [0.15, 0.7]; // of a direction's own effect: a smaller one is no side effect, a larger one is the same property
const MEASURED = 2000; // points among which two distant ones are searched
const STEPS = 64; // of the grid on which a gap is searched, along each side

/** The anchor that such a name stands for; null for any other text, or if the run has none. */
export function relativeAnchor(text: string, run: RunState): Anchor | null {
  const [, kind, digit] = PATTERN.exec(text) ?? [];
  if (!kind || !run.table.count) return null;
  const number = Number(digit) - 1;
  if (kind === "gap") return number ? null : gapOf(run);
  const row = (kind === "dense" ? landmarks(gridOf(run), 9) : farApart(run))[number];
  return row === undefined ? null : run.anchor(row);
}

const grids = new WeakMap<object, Grid>(); // by run

/** The points on the first chart: what a name stands for does not depend on the chart that is shown. */
function gridOf(run: RunState): Grid {
  let grid = grids.get(run.entry);
  if (!grid) grids.set(run.entry, (grid = new Grid(run.first.positions(run.entry.charts[0]))));
  return grid;
}

/** The rows of two points that are far from each other on the first chart. */
export function farApart(run: RunState): number[] {
  const [left, bottom, right, top] = run.entry.charts[0].box;
  const { positions } = gridOf(run);
  const count = Math.min(positions.length / 2, MEASURED);
  const farthest = (x: number, y: number, other: number) => {
    let result = other === 0 ? 1 : 0;
    for (let row = 0; row < count; row++) if (row !== other && distance(row, x, y) > distance(result, x, y)) result = row;
    return result;
  };
  const distance = (row: number, x: number, y: number) => Math.hypot(positions[2 * row] - x, positions[2 * row + 1] - y);
  if (count < 2) return count ? [0] : [];
  const first = farthest((left + right) / 2, (bottom + top) / 2, -1);
  return [first, farthest(positions[2 * first], positions[2 * first + 1], first)];
}

const gaps = new WeakMap<object, [number, number] | null>(); // by chart, searched once

/** The deepest place of the map without data that lies between data; null if there is none. */
export function gapOf(run: RunState): Anchor | null {
  const { site } = run.chart;
  if (!gaps.has(site)) gaps.set(site, deepest(run));
  const [x, y] = gaps.get(site) ?? [NaN, NaN];
  if (Number.isNaN(x)) return null;
  return { z: run.lift(x, y), row: null, name: "", about: "a place without data", coverage: run.coverage(x, y) };
}

function deepest(run: RunState): [number, number] | null {
  const [left, bottom, right, top] = run.chart.site.box;
  const xs = Array.from({ length: STEPS }, (_, i) => left + ((right - left) * (i + 0.5)) / STEPS);
  const ys = Array.from({ length: STEPS }, (_, i) => bottom + ((top - bottom) * (i + 0.5)) / STEPS);
  const covered = ys.map((y) => xs.map((x) => !inGap(run.coverage(x, y))));
  let best = { depth: 0, i: 0, j: 0 };
  for (let j = 0; j < STEPS; j++)
    for (let i = 0; i < STEPS; i++) {
      const depth = depthAt(covered, i, j);
      if (depth > best.depth) best = { depth, i, j };
    }
  return best.depth ? [xs[best.i], ys[best.j]] : null;
}

/** How many steps it is to data on both sides, left and right or above and below; 0 if a side has none. */
function depthAt(covered: boolean[][], i: number, j: number): number {
  const reach = (dx: number, dy: number) => {
    let steps = 0;
    while (covered[j + dy * steps]?.[i + dx * steps] === false) steps += 1;
    return covered[j + dy * steps]?.[i + dx * steps] ? steps : 0;
  };
  return Math.max(Math.min(reach(1, 0), reach(-1, 0)), Math.min(reach(0, 1), reach(0, -1)));
}

/** The direction of the run that is its best example of a side effect, and that effect; null if there is none. */
export function exampleDirection({ directions }: RunEntry): { direction: DirectionEntry; effect: string; change: number } | null {
  const probes = new Set(directions.probes.map(({ name }) => name));
  const candidates = directions.list.flatMap((direction) => {
    if ((direction.score?.auc ?? 0) < SEPARATES) return [];
    const own = Math.abs(direction.effects[direction.name] ?? NaN);
    return Object.entries(direction.effects)
      .filter(([name, change]) => name !== direction.name && probes.has(name) && Math.abs(change) > SIDE[0] * own && Math.abs(change) < SIDE[1] * own)
      .map(([effect, change]) => ({ direction, effect, change }));
  });
  const fits = ({ direction: { range } }: (typeof candidates)[number]) => (range === undefined || range[1] >= SHOWN ? 2 : 0);
  const rank = (item: (typeof candidates)[number]) => fits(item) + (item.change > 0 ? 1 + item.change : -item.change); // properties that occur together first
  return candidates.sort((a, b) => rank(b) - rank(a))[0] ?? null;
}

/** The column and the value that a direction or a probe is named after; null for one of neither. */
function columnOf(name: string, columns: readonly Column[]): { column: Column; value: number } | null {
  const flag = columns.find((column) => column.name === name && column.kind !== "class");
  if (flag) return { column: flag, value: 1 };
  for (const column of columns) {
    const value = column.values?.findIndex((text) => (column.name === "label" ? [text, `class:${text}`] : [`${column.name}=${text}`]).includes(name)) ?? -1;
    if (value >= 0) return { column, value };
  }
  return null;
}

/** Whether an image can have only one of two properties, because both are classes of one column. */
export function exclusive(a: string, b: string, columns: readonly Column[]): boolean {
  const [first, second] = [columnOf(a, columns), columnOf(b, columns)];
  return first?.column.kind === "class" && first.column === second?.column;
}

/** The correlation of two properties in the points of the page; NaN if it is unknown. */
export function correlation(a: string, b: string, columns: readonly Column[], table: Table): number {
  const values = [a, b].map((name) => {
    const { column, value } = columnOf(name, columns) ?? {};
    if (!column) return null;
    if (column.kind === "class") return Float64Array.from(table.classOf(column.name), (item) => (item === value ? 1 : 0));
    return Float64Array.from(column.kind === "flag" ? table.flag(column.name) : table.number(column.name));
  });
  const [x, y] = values;
  if (!x || !y) return NaN;
  const rows = Array.from(x.keys()).filter((row) => Number.isFinite(x[row] + y[row]));
  const mean = (of: (row: number) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
  const [meanX, meanY] = [mean((row) => x[row]), mean((row) => y[row])];
  const [varianceX, varianceY] = [mean((row) => (x[row] - meanX) ** 2), mean((row) => (y[row] - meanY) ** 2)];
  return mean((row) => (x[row] - meanX) * (y[row] - meanY)) / Math.sqrt(varianceX * varianceY);
}

/** A link with the names of this run's directions in place of the general one. */
export function concrete(link: LinkState, entry: RunEntry): LinkState {
  const example = exampleDirection(entry);
  const amounts = link.amounts && Object.fromEntries(Object.entries(link.amounts).flatMap(([name, amount]): [string, number][] => (name !== TOP ? [[name, amount]] : example ? [[example.direction.name, amount]] : [])));
  const held = link.held?.flatMap((name) => (name !== TOP ? [name] : example ? [example.effect] : []));
  return { ...link, ...(amounts && { amounts }), ...(held && { held }) };
}
