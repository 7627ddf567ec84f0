import { describe, expect, it, vi } from "vitest";

import type { Sprites } from "../contract";
import type { Files } from "../types";
import { boxOf, fit, panBy } from "./camera";
import { selectTiles } from "./select";
import { clusters } from "../../test/points";
import { Grid } from "./grid";
import { SpriteSheets, tileOf } from "./sheets";
import { Thumbnails } from "./thumbnails";

const sprites: Sprites = { width: 28, height: 20, columns: 5, rows: 3, sheets: ["0", "1", "2"] };

it("a tile has the page and position of its row", () => {
  expect(tileOf(sprites, 0)).toEqual({ sheet: 0, x: 0, y: 0, w: 28, h: 20 });
  expect(tileOf(sprites, 14)).toEqual({ sheet: 0, x: 112, y: 40, w: 28, h: 20 });
  expect(tileOf(sprites, 15)).toEqual({ sheet: 1, x: 0, y: 0, w: 28, h: 20 });
  expect(tileOf(sprites, 38)).toEqual({ sheet: 2, x: 84, y: 20, w: 28, h: 20 });
});

describe("selected tiles", () => {
  const { positions } = clusters(5000, 4, 5);
  const grid = new Grid(positions);
  const screen = { width: 700, height: 500 };
  const tile = { width: 50, height: 40 };
  const home = fit(boxOf(positions), 700, 500);
  const view = { ...home, scale: home.scale * 5.3 };

  it("never overlap, and leave no wide gaps between points", () => {
    const rows = selectTiles(grid, view, screen, tile);
    expect(rows.length).toBeGreaterThan(20);
    const apart = (a: number, b: number): boolean =>
      Math.abs(positions[2 * a] - positions[2 * b]) * view.scale >= tile.width - 1e-6 ||
      Math.abs(positions[2 * a + 1] - positions[2 * b + 1]) * view.scale >= tile.height - 1e-6;
    for (const a of rows) for (const b of rows) if (a !== b) expect(apart(a, b)).toBe(true);
  });

  it("stay selected while the map is dragged", () => {
    const inner = (now: typeof view): Set<number> =>
      new Set(
        selectTiles(grid, now, screen, tile).filter(
          (row) =>
            Math.abs((positions[2 * row] - view.x) * view.scale) < 150 &&
            Math.abs((positions[2 * row + 1] - view.y) * view.scale) < 100,
        ),
      );
    const before = inner(view);
    expect(before.size).toBeGreaterThan(5);
    for (let step = 1; step < 20; step++) expect(inner(panBy(view, step * 9.7, step * -6.3))).toEqual(before);
  });

  it("belong to shown points only", () => {
    const mask = Uint8Array.from({ length: 5000 }, (_, row) => (row % 3 === 0 ? 1 : 0));
    const rows = selectTiles(new Grid(positions, mask), view, screen, tile);
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.every((row) => row % 3 === 0)).toBe(true);
  });
});

const small = async (sheet: { sheet: number }) => ({ ...sheet, small: true });

describe("thumbnails", () => {
  vi.stubGlobal("createImageBitmap", small);

  it("fade in when the map is zoomed in", () => {
    const { positions } = clusters(2000);
    const grid = new Grid(positions);
    const thumbnails = new Thumbnails(new SpriteSheets(sprites, {} as Files));
    const scales = [1, 10, 40, 60, 80, 100, 1000].map((scale) => thumbnails.opacity(grid, scale));
    expect(scales[0]).toBe(0);
    expect(scales.at(-1)).toBe(1);
    expect(scales).toEqual([...scales].sort((a, b) => a - b));
  });

  it("draw each row's image centered on its point, and load each sheet once", async () => {
    const large: Sprites = {
      width: 8,
      height: 8,
      columns: 2,
      rows: 2,
      sheets: Array.from({ length: 50 }, (_, i) => `${i}`),
    };
    const positions = Float32Array.from({ length: 400 }, (_, i) =>
      i % 2 ? 60 * Math.floor(i / 40) : 60 * ((i >> 1) % 20),
    );
    const requested: string[] = [];
    const image = async (url: string): Promise<ImageBitmap> => {
      requested.push(url);
      return { sheet: Number(url), close: () => undefined } as unknown as ImageBitmap;
    };
    const drawn: [sheet: number, x: number, y: number, left: number, top: number][] = [];
    const context = {
      save: () => undefined,
      restore: () => undefined,
      strokeRect: () => undefined,
      getTransform: () => ({ a: 1 }),
      drawImage: (sheet: { sheet: number }, x: number, y: number, _w: number, _h: number, left: number, top: number) =>
        drawn.push([sheet.sheet, x, y, left, top]),
    } as unknown as CanvasRenderingContext2D;
    let redraws = 0;
    const mask = Uint8Array.from({ length: 200 }, (_, row) => (row % 3 ? 1 : 0));
    const scene = {
      view: { x: 570, y: 270, scale: 1 },
      width: 1300,
      height: 700,
      grid: new Grid(positions, mask),
      frame: () => "#000",
    };
    const thumbnails = new Thumbnails(new SpriteSheets(large, { image } as unknown as Files), () => redraws++);
    expect(thumbnails.draw(context, scene)).toEqual([]);
    await new Promise((done) => setTimeout(done, 10));
    const rows = thumbnails.draw(context, scene);
    expect(rows.length).toBe(133);
    expect(rows.every((row) => mask[row])).toBe(true);
    rows.forEach((row, i) => {
      const tile = tileOf(large, row);
      const [left, top] = [650 + positions[2 * row] - 570 - 24, 350 - positions[2 * row + 1] + 270 - 24];
      expect(drawn[i]).toEqual([tile.sheet, tile.x, tile.y, left, top]);
      expect(thumbnails.rowAt(left + 5, top + 40)).toBe(row);
    });
    expect(thumbnails.rowAt(-50, -50)).toBe(-1);
    expect(requested.length).toBe(new Set(requested).size);
    expect(redraws).toBe(50);
  });

  it("enlarge small images by whole factors and shrink large ones", () => {
    const side = (given: Sprites) => new Thumbnails(new SpriteSheets(given, {} as Files)).side;
    expect(side(sprites)).toEqual({ width: 56, height: 40 });
    expect(side({ ...sprites, width: 8, height: 8 })).toEqual({ width: 48, height: 48 });
    expect(side({ ...sprites, width: 96, height: 96 })).toEqual({ width: 48, height: 48 });
  });
});

it("every image is drawn at once after all sheets were loaded, and few sheets stay in memory", async () => {
  vi.stubGlobal("createImageBitmap", small);
  vi.stubGlobal("navigator", {});
  let open = 0;
  const image = async (url: string) => {
    open += 1;
    return { sheet: Number(url), close: () => (open -= 1) } as unknown as ImageBitmap;
  };
  const many = { ...sprites, sheets: Array.from({ length: 30 }, (_, i) => `${i}`) };
  const sheets = new SpriteSheets(many, { image } as unknown as Files);
  const sources: { sheet: number; small?: boolean }[] = [];
  const context = { getTransform: () => ({ a: 1 }), drawImage: (source: { sheet: number }) => sources.push(source) };
  const draw = (row: number) => sheets.draw(context as unknown as CanvasRenderingContext2D, row, 0, 0, 9, 9);
  expect(draw(0)).toBe(false);
  await sheets.prefetch(200);
  for (let row = 0; row < 450; row++) expect(draw(row)).toBe(true);
  expect(sources.map(({ sheet }) => sheet)).toEqual(Array.from({ length: 450 }, (_, row) => Math.floor(row / 15)));
  expect(open).toBe(1);
  expect(sources[200]).toEqual({ sheet: 13, close: expect.anything() });
  expect(sources[0].small).toBe(true);
  expect(await sheets.load(0)).toBe(true);
  draw(0);
  expect(sources.at(-1)!.small).toBeUndefined();
  sheets.begin();
  for (let row = 0; row < 450; row += 15) await sheets.load(row);
  expect(open).toBeLessThanOrEqual(8);
});

it("on a connection that saves data, only the first sheet is loaded ahead", async () => {
  vi.stubGlobal("createImageBitmap", small);
  vi.stubGlobal("navigator", { connection: { saveData: true } });
  const requested: string[] = [];
  const image = async (url: string) => {
    requested.push(url);
    return { close: () => undefined } as unknown as ImageBitmap;
  };
  await new SpriteSheets(sprites, { image } as unknown as Files).prefetch(16);
  expect(requested).toEqual(["1"]);
});
