import { float32, int32, tableFromArrays, tableToIPC, uint8 } from "@uwdata/flechette";
import { describe, expect, it } from "vitest";

import type { ChartEntry, Column, Square } from "../contract";
import type { Files } from "../types";
import type { Condition } from "./filter";
import { openTable, type Table } from "./table";
import { countIn, joined, squareBox, Tiling, wanted } from "./tiles";

const BOX = [0, 0, 8, 8] as const;
const COLUMNS: Column[] = [{ name: "label", title: "Label", kind: "class", values: ["a", "b"] }];
const IN_A: Condition = { kind: "class", column: "label", values: [0] };

const square = (level: number, x: number, y: number, counts = [0, 0]): Square => ({
  level,
  x,
  y,
  count: counts[0] + counts[1],
  counts: { label: counts },
});

/** A file of positions, each with a label; ranks go on from `start`. */
function fileOf(points: [x: number, y: number, label: number][], start = 0, squares: Square[] = []): ArrayBuffer {
  const types = { index: int32(), rank: int32(), label: uint8(), x: float32(), y: float32() };
  const arrays = {
    index: points.map((_, i) => 100 + start + i),
    rank: points.map((_, i) => start + i),
    label: points.map(([, , label]) => label),
    x: points.map(([x]) => x),
    y: points.map(([, y]) => y),
  };
  const table = tableFromArrays(arrays as never, { types } as never);
  table.schema.metadata = new Map([["zatlas", JSON.stringify({ squares })]]);
  const bytes = tableToIPC(table, { format: "file" }) as Uint8Array<ArrayBuffer>;
  return bytes.slice().buffer;
}

const tableOf = (points: [number, number, number][], start = 0): Table => openTable(fileOf(points, start), COLUMNS);

const chart = { x: "x", y: "y", box: [...BOX] as unknown, tiles: { url: "t-", squares: [] } } as unknown as ChartEntry;

describe("tiles", () => {
  it("have squares that halve the box, unbounded at the border", () => {
    expect(squareBox(BOX, square(2, 1, 2))).toEqual([2, 4, 4, 6]);
    expect(squareBox(BOX, square(1, 0, 1))).toEqual([-Infinity, 4, 4, Infinity]);
  });

  it("are needed inside the view, and finer ones when zoomed in", () => {
    const inner = [square(2, 0, 0), square(2, 1, 1)];
    const within = (item: Square) => (item.level === 1 && !item.x && !item.y ? inner : []);
    const outer = [square(1, 0, 0), square(1, 1, 1)];
    const names = (view: [number, number, number, number], scale: number) =>
      wanted(outer, within, BOX, view, scale).map(({ level, x, y }) => `${level} ${x} ${y}`);
    expect(names([0, 0, 8, 8], 100)).toEqual([]);
    expect(names([0, 0, 8, 8], 125)).toEqual(["1 0 0", "1 1 1"]);
    expect(names([0, 0, 1, 1], 125)).toEqual(["1 0 0"]);
    expect(names([0, 0, 1, 1], 250)).toEqual(["1 0 0", "2 0 0"]);
    expect(names([-9, -9, -5, -5], 250)).toEqual(["1 0 0", "2 0 0"]);
  });

  it("form one table with the first points", () => {
    const table = joined(
      tableOf([
        [1, 1, 0],
        [2, 2, 1],
      ]),
      [tableOf([[3, 3, 1]], 7), tableOf([[4, 4, 0]], 5)],
    );
    expect(table.count).toBe(4);
    expect([...table.classOf("label")]).toEqual([0, 1, 1, 0]);
    expect([...table.index]).toEqual([100, 101, 107, 105]);
    expect([0, 1, 2, 3].map((row) => table.rank(row))).toEqual([0, 1, 7, 5]);
    expect([...table.positions(chart)]).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
  });

  it("are loaded level by level, each once, and unloaded squares are listed", async () => {
    const inner = square(2, 0, 0, [1, 0]);
    const outer = square(1, 0, 0, [2, 0]);
    const there: Record<string, ArrayBuffer> = {
      "t-1-0-0.arrow": fileOf([[1, 1, 0]], 5, [inner]),
      "t-2-0-0.arrow": fileOf([[0.5, 0.5, 0]], 6),
    };
    const requested: string[] = [];
    const files: Files = {
      image: () => Promise.reject(),
      bytes: async (url) => {
        requested.push(url);
        return there[url];
      },
    };
    const tiling = new Tiling(files, { ...chart, tiles: { url: "t-", squares: [outer] } }, tableOf([[7, 7, 1]]));
    expect(await tiling.load([0, 0, 8, 8], 10)).toBeNull();
    expect(tiling.unloaded).toEqual([outer]);
    expect((await tiling.load([0, 0, 8, 8], 125))?.count).toBe(2);
    expect(tiling.unloaded).toEqual([inner]);
    expect((await tiling.load([0, 0, 1, 1], 250))?.count).toBe(3);
    expect(tiling.unloaded).toEqual([]);
    expect(await tiling.load([0, 0, 8, 8], 10)).toBeNull(); // what is there stays
    expect(requested).toEqual(Object.keys(there));
  });

  it("of an outdated view are not shown", async () => {
    const files: Files = { image: () => Promise.reject(), bytes: async () => fileOf([[1, 1, 0]]) };
    const tiling = new Tiling(
      files,
      { ...chart, tiles: { url: "t-", squares: [square(1, 0, 0), square(1, 1, 1)] } },
      tableOf([]),
    );
    const [left, here] = await Promise.all([tiling.load([0, 0, 1, 1], 125), tiling.load([6, 6, 7, 7], 125)]);
    expect(left).toBeNull();
    expect(here?.count).toBeGreaterThan(0);
  });
});

describe("counts", () => {
  const first = tableOf([
    [1, 1, 0],
    [1, 2, 1],
    [6, 6, 0],
    [3, 3, 0],
  ]);
  const positions = first.positions(chart);
  const rest = [square(1, 0, 0, [30, 10]), square(1, 1, 1, [0, 7])];

  it("of a view that contains whole squares are exact", () => {
    expect(countIn([-1, -1, 9, 9], [], null, positions, rest, BOX)).toEqual({ points: 51, exact: true });
    const mask = Uint8Array.of(1, 0, 1, 1);
    expect(countIn([-1, -1, 9, 9], [IN_A], mask, positions, rest, BOX)).toEqual({ points: 33, exact: true });
    expect(countIn([5, 5, 9, 9], [IN_A], mask, positions, rest, BOX)).toEqual({ points: 1, exact: true });
  });

  it("of part of a square, or of two conditions, are estimated from its loaded points", () => {
    // Two of the three points of the square are in view.
    expect(countIn([0, 0, 2, 9], [], null, positions, rest, BOX)).toEqual({
      points: 2 + Math.round((40 * 2) / 3),
      exact: false,
    });
    const both = Uint8Array.of(1, 0, 0, 0);
    const number = { kind: "number", column: "n", low: 0, high: 1, strict: false } as const;
    const { exact } = countIn([-1, -1, 9, 9], [IN_A, number], both, positions, rest, BOX);
    expect(exact).toBe(false);
  });
});
