/** Tiles of points for large runs: loading the tiles of a view, one table of all loaded points, and counts. */

import type { ChartEntry, Square } from "../contract";
import type { Files } from "../types";
import type { Condition } from "./filter";
import { openTable, type Table } from "./table";

type Box = readonly [left: number, bottom: number, right: number, top: number];

const NEAREST = 500; // smallest side in CSS pixels of a square whose tile is loaded
const MOST = 64; // tiles in the cache, unless a view needs more

/** A number of points; `exact` if no part of it is an estimate. */
export interface Count {
  points: number;
  exact: boolean;
}

/** The box of a square; squares at the border are unbounded outwards. */
export function squareBox([left, bottom, right, top]: Box, { level, x, y }: Square): Box {
  const side = 2 ** level;
  const edge = (low: number, high: number, at: number) =>
    at <= 0 ? -Infinity : at >= side ? Infinity : low + ((high - low) * at) / side;
  return [edge(left, right, x), edge(bottom, top, y), edge(left, right, x + 1), edge(bottom, top, y + 1)];
}

/** The squares whose tiles a view needs, the largest first, as far as the loaded tiles list them. */
export function wanted(
  squares: readonly Square[],
  within: (square: Square) => readonly Square[],
  box: Box,
  view: Box,
  scale: number,
): Square[] {
  const longer = Math.max(box[2] - box[0], box[3] - box[1]) * scale;
  const result: Square[] = [];
  for (let next = squares; next.length;) {
    const visible = next.filter((square) => longer / 2 ** square.level >= NEAREST && meet(squareBox(box, square), view));
    result.push(...visible);
    next = visible.flatMap(within);
  }
  return result;
}

/** One table of the first rows and the rows of tiles. */
export function joined(first: Table, parts: readonly Table[]): Table {
  const tables = [first, ...parts];
  const starts: number[] = [];
  let count = 0;
  for (const table of tables) {
    starts.push(count);
    count += table.count;
  }
  const cache = new Map<string, unknown>();
  function all<T extends Float32Array | Int32Array | Uint8Array | Uint16Array>(
    key: string,
    read: (table: Table) => T,
    width = 1,
  ): T {
    if (!cache.has(key)) {
      const pieces = tables.map(read);
      const values = new (pieces[0].constructor as new (size: number) => T)(width * count);
      pieces.forEach((piece, i) => values.set(piece, width * starts[i]));
      cache.set(key, values);
    }
    return cache.get(key) as T;
  }
  return {
    count,
    columns: first.columns,
    within: first.within,
    get index() {
      return all("index", (table) => table.index);
    },
    classOf: (name) => all<Uint8Array | Uint16Array>(name, (table) => table.classOf(name)),
    number: (name) => all(name, (table) => table.number(name)),
    flag: (name) => all(name, (table) => table.flag(name)),
    positions: (chart) => all(`${chart.x} ${chart.y}`, (table) => table.positions(chart), 2),
    rank(row) {
      const at = starts.findLastIndex((start) => start <= row);
      return tables[at].rank(row - starts[at]);
    },
  };
}

/**
 * The number of points in a view that meet the conditions, including points that are not loaded. `mask` and `positions`
 * belong to the loaded points. Counts listed by a square are exact; otherwise its loaded points, a uniform sample, are
 * extrapolated.
 */
export function countIn(
  view: Box,
  conditions: readonly Condition[],
  mask: Uint8Array | null,
  positions: Float32Array,
  unloaded: readonly Square[],
  box: Box,
): Count {
  let points = 0;
  for (let row = 0; 2 * row < positions.length; row++) {
    if ((!mask || mask[row]) && inside(view, positions[2 * row], positions[2 * row + 1])) points++;
  }
  let exact = true;
  for (const square of unloaded) {
    const area = squareBox(box, square);
    const listed = listedCount(square, conditions);
    if (!meet(area, view) || listed === 0) continue;
    if (listed !== null && holds(view, area, box)) points += listed;
    else {
      exact = false;
      points += estimate(view, area, mask, positions, square.count, listed);
    }
  }
  return { points: Math.round(points), exact };
}

/** The tiles of one chart, loaded as views need them. */
export class Tiling {
  private readonly tables = new Map<string, Table>();
  private turn = 0;
  private lastTiles = ""; // names of the tiles in the last table

  constructor(
    private readonly files: Files,
    private readonly chart: ChartEntry,
    private readonly first: Table,
  ) {}

  /** Squares whose tile is not loaded. */
  get unloaded(): Square[] {
    const squares = (from: readonly Square[]): Square[] =>
      from.flatMap((square) => (this.tables.has(nameOf(square)) ? squares(this.within(square)) : [square]));
    return squares(this.chart.tiles?.squares ?? []);
  }

  /** The table for a view; null if it has not changed, or if a newer view replaced this one. */
  async load(view: Box, scale: number): Promise<Table | null> {
    const turn = ++this.turn;
    const { tiles, box } = this.chart;
    for (;;) {
      const needed = wanted(tiles?.squares ?? [], this.within, box, view, scale);
      const missing = needed.filter((square) => !this.tables.has(nameOf(square)));
      if (!missing.length) {
        this.drop(needed);
        break;
      }
      await Promise.all(missing.map((square) => this.fetch(square)));
      if (turn !== this.turn) return null;
    }
    const names = [...this.tables.keys()].join(" ");
    if (names === this.lastTiles) return null;
    this.lastTiles = names;
    return joined(this.first, [...this.tables.values()]);
  }

  private readonly within = (square: Square): readonly Square[] => this.tables.get(nameOf(square))?.within ?? [];

  private async fetch(square: Square): Promise<void> {
    const url = `${this.chart.tiles!.url}${nameOf(square)}.arrow`;
    const table = openTable(await this.files.bytes(url), this.first.columns, url);
    this.tables.set(nameOf(square), table);
  }

  /** Drop tiles that are not needed if the cache is full. */
  private drop(needed: readonly Square[]): void {
    if (this.tables.size <= MOST) return;
    const names = new Set(needed.map(nameOf));
    for (const name of [...this.tables.keys()]) if (!names.has(name)) this.tables.delete(name);
  }
}

const nameOf = ({ level, x, y }: Square) => `${level}-${x}-${y}`;

const meet = (a: Box, b: Box) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

const inside = (box: Box, x: number, y: number) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3];

/** Whether an area lies inside a view; unbounded areas are cut at the border of the chart. */
function holds(view: Box, area: Box, border: Box): boolean {
  const low = (axis: 0 | 1) => view[axis] <= Math.max(area[axis], border[axis]);
  const high = (axis: 2 | 3) => view[axis] >= Math.min(area[axis], border[axis]);
  return low(0) && low(1) && high(2) && high(3);
}

/** The listed number of points of a square that meet the conditions; null if the square does not list it. */
function listedCount(square: Square, conditions: readonly Condition[]): number | null {
  if (!conditions.length) return square.count;
  const [condition] = conditions;
  const counts = condition.kind === "number" ? undefined : square.counts[condition.column];
  if (conditions.length > 1 || !counts || condition.kind === "number") return null;
  const values = condition.kind === "flag" ? [condition.yes ? 1 : 0] : [...new Set(condition.values)];
  return values.reduce((sum, value) => sum + (counts[value] ?? 0), 0);
}

/** The estimated number of points that are not loaded. */
function estimate(
  view: Box,
  area: Box,
  mask: Uint8Array | null,
  positions: Float32Array,
  count: number,
  listed: number | null,
): number {
  let [loaded, matching, visible] = [0, 0, 0];
  for (let row = 0; 2 * row < positions.length; row++) {
    const [x, y] = [positions[2 * row], positions[2 * row + 1]];
    if (!inside(area, x, y)) continue;
    loaded++;
    if (mask && !mask[row]) continue;
    matching++;
    if (inside(view, x, y)) visible++;
  }
  return listed === null ? (count * visible) / Math.max(loaded, 1) : (listed * visible) / Math.max(matching, 1);
}
