/** Points that are too many for a page: the tiles that a view needs, one table of all that is there, and honest counts. */

import type { ChartSite, Files, Square } from "../contract";
import type { Condition } from "./filter";
import { openTable, type Table } from "./table";

type Box = readonly [left: number, bottom: number, right: number, top: number];

const NEAREST = 500; // CSS pixels across a square whose own points are worth fetching
const MOST = 64; // tiles that are held, unless a view needs more

/** How many points there are; `exact` if none of them was only estimated. */
export interface Count {
  points: number;
  exact: boolean;
}

/** Where a square lies; those at the border hold whatever is beyond it. */
export function squareBox([left, bottom, right, top]: Box, { level, x, y }: Square): Box {
  const side = 2 ** level;
  const edge = (low: number, high: number, at: number) =>
    at <= 0 ? -Infinity : at >= side ? Infinity : low + ((high - low) * at) / side;
  return [edge(left, right, x), edge(bottom, top, y), edge(left, right, x + 1), edge(bottom, top, y + 1)];
}

/** The squares whose tiles a view needs, the largest first, as far as is known what lies within which. */
export function wanted(
  squares: readonly Square[],
  within: (square: Square) => readonly Square[],
  box: Box,
  view: Box,
  scale: number,
): Square[] {
  const across = Math.max(box[2] - box[0], box[3] - box[1]) * scale;
  const found: Square[] = [];
  for (let next = squares; next.length; ) {
    const seen = next.filter(
      (square) => across / 2 ** square.level >= NEAREST && meet(squareBox(box, square), view),
    );
    found.push(...seen);
    next = seen.flatMap(within);
  }
  return found;
}

/** One table: the rows that every page has, and behind them those of tiles. */
export function joined(first: Table, parts: readonly Table[]): Table {
  const tables = [first, ...parts];
  const starts: number[] = [];
  let count = 0;
  for (const table of tables) {
    starts.push(count);
    count += table.count;
  }
  const kept = new Map<string, unknown>();
  function all<T extends Float32Array | Int32Array | Uint8Array | Uint16Array>(
    key: string,
    read: (table: Table) => T,
    each = 1,
  ): T {
    if (!kept.has(key)) {
      const pieces = tables.map(read);
      const whole = new (pieces[0].constructor as new (size: number) => T)(each * count);
      pieces.forEach((piece, i) => whole.set(piece, each * starts[i]));
      kept.set(key, whole);
    }
    return kept.get(key) as T;
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
    places: (chart) => all(`${chart.x} ${chart.y}`, (table) => table.places(chart), 2),
    rank(row) {
      const at = starts.findLastIndex((start) => start <= row);
      return tables[at].rank(row - starts[at]);
    },
  };
}

/**
 * How many points are in a view and meet the conditions, those included that were not fetched: `mask` and `places` are
 * of those that were. What a square tells of its points is exact; where it does not tell enough, those that were fetched
 * from it stand for the others, as they are a fair draw.
 */
export function countIn(
  view: Box,
  conditions: readonly Condition[],
  mask: Uint8Array | null,
  places: Float32Array,
  unfetched: readonly Square[],
  box: Box,
): Count {
  let points = 0;
  for (let row = 0; 2 * row < places.length; row++) {
    if ((!mask || mask[row]) && inside(view, places[2 * row], places[2 * row + 1])) points++;
  }
  let exact = true;
  for (const square of unfetched) {
    const area = squareBox(box, square);
    const known = knownOf(square, conditions);
    if (!meet(area, view) || known === 0) continue;
    if (known !== null && holds(view, area, box)) points += known;
    else {
      exact = false;
      points += estimate(view, area, mask, places, square.count, known);
    }
  }
  return { points: Math.round(points), exact };
}

/** The tiles of one chart: fetched as views need them. */
export class Tiling {
  private readonly tables = new Map<string, Table>();
  private turn = 0;
  private told = ""; // the tiles of the table that was given last

  constructor(
    private readonly files: Files,
    private readonly chart: ChartSite,
    private readonly first: Table,
  ) {}

  /** Squares with a tile that was not fetched; all points elsewhere are there. */
  get unfetched(): Square[] {
    const squares = (from: readonly Square[]): Square[] =>
      from.flatMap((square) => (this.tables.has(nameOf(square)) ? squares(this.within(square)) : [square]));
    return squares(this.chart.tiles?.squares ?? []);
  }

  /** The table with what a view needs; null if that is what was given last, or a newer view came meanwhile. */
  async see(view: Box, scale: number): Promise<Table | null> {
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
    if (names === this.told) return null;
    this.told = names;
    return joined(this.first, [...this.tables.values()]);
  }

  private readonly within = (square: Square): readonly Square[] => this.tables.get(nameOf(square))?.within ?? [];

  private async fetch(square: Square): Promise<void> {
    const url = `${this.chart.tiles!.url}${nameOf(square)}.arrow`;
    const table = openTable(await this.files.bytes(url), this.first.columns, url);
    this.tables.set(nameOf(square), table);
  }

  /** Give up what is not needed, where too much is held. */
  private drop(needed: readonly Square[]): void {
    if (this.tables.size <= MOST) return;
    const names = new Set(needed.map(nameOf));
    for (const name of [...this.tables.keys()]) if (!names.has(name)) this.tables.delete(name);
  }
}

const nameOf = ({ level, x, y }: Square) => `${level}-${x}-${y}`;

const meet = (a: Box, b: Box) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

const inside = (box: Box, x: number, y: number) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3];

/** Whether an area lies in a view; what is said to be beyond the border of the chart is taken to be at it. */
function holds(view: Box, area: Box, border: Box): boolean {
  const low = (axis: 0 | 1) => view[axis] <= Math.max(area[axis], border[axis]);
  const high = (axis: 2 | 3) => view[axis] >= Math.min(area[axis], border[axis]);
  return low(0) && low(1) && high(2) && high(3);
}

/** How many points of a square meet the conditions, if it tells: of one class, of one flag, or of none. */
function knownOf(square: Square, conditions: readonly Condition[]): number | null {
  if (!conditions.length) return square.count;
  const [condition] = conditions;
  const counts = condition.kind === "number" ? undefined : square.counts[condition.column];
  if (conditions.length > 1 || !counts || condition.kind === "number") return null;
  const values = condition.kind === "flag" ? [condition.yes ? 1 : 0] : [...new Set(condition.values)];
  return values.reduce((sum, value) => sum + (counts[value] ?? 0), 0);
}

/** How many more there are, if those not fetched are as those that were. */
function estimate(
  view: Box,
  area: Box,
  mask: Uint8Array | null,
  places: Float32Array,
  count: number,
  known: number | null,
): number {
  let [all, good, seen] = [0, 0, 0];
  for (let row = 0; 2 * row < places.length; row++) {
    const [x, y] = [places[2 * row], places[2 * row + 1]];
    if (!inside(area, x, y)) continue;
    all++;
    if (mask && !mask[row]) continue;
    good++;
    if (inside(view, x, y)) seen++;
  }
  return known === null ? (count * seen) / Math.max(all, 1) : (known * seen) / Math.max(good, 1);
}
