/** Thumbnails of the real images on the map. */

import type { Sprites } from "../contract";
import type { Files, View } from "../types";
import { selectTiles } from "./select";
import type { Grid } from "./grid";

/** The position of a row's image: a sprite sheet and its pixels. */
export interface Tile {
  sheet: number;
  x: number;
  y: number;
  w: number;
  h: number;
}

export function tileOf(sprites: Sprites, row: number): Tile {
  const count = sprites.columns * sprites.rows;
  const at = row % count;
  return {
    sheet: Math.floor(row / count),
    x: (at % sprites.columns) * sprites.width,
    y: Math.floor(at / sprites.columns) * sprites.height,
    w: sprites.width,
    h: sprites.height,
  };
}

/** A tile of a sheet as a canvas. */
export function cut(sheet: ImageBitmap, { x, y, w, h }: Tile): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [w, h];
  canvas.getContext("2d")!.drawImage(sheet, x, y, w, h, 0, 0, w, h);
  return canvas;
}

export interface Scene {
  view: View;
  width: number; // CSS pixels
  height: number;
  grid: Grid; // of the points that are shown, and of no others
  frame(row: number): string; // the colour of a tile's frame
}

const MIN_SIDE = 48; // smallest longer side of a tile in CSS pixels
const MAX_SHEETS = 16; // decoded sheets in the cache, besides those of the last drawing
const BEGIN = 0.2; // spacing of the points, in tiles, at which tiles start to appear
const FULL = 0.28; // and at which they are opaque

/** Draws tiles over the points when the map is zoomed in; `redraw` is called when a sheet has loaded. */
export class Thumbnails {
  readonly side: { width: number; height: number }; // of a tile on the map, CSS pixels
  private readonly sheets = new Map<number, ImageBitmap>(); // the least recently drawn first
  private readonly loading = new Set<number>();
  private wanted = new Set<number>(); // sheets of the current drawing, which must stay in the cache
  private tiles: { row: number; x: number; y: number }[] = []; // of the last drawing
  private readonly failed = new Set<number>();
  private closed = false;
  private spacing = { grid: null as Grid | null, value: Infinity };

  constructor(
    private readonly sprites: Sprites,
    private readonly files: Files,
    private readonly redraw: () => void = () => undefined,
  ) {
    const longer = Math.max(sprites.width, sprites.height);
    const scale = longer <= MIN_SIDE ? Math.ceil(MIN_SIDE / longer) : MIN_SIDE / longer;
    this.side = { width: Math.round(sprites.width * scale), height: Math.round(sprites.height * scale) };
  }

  /** How opaque tiles are at a scale: 0 where the points are too close. */
  opacity(grid: Grid, scale: number): number {
    if (this.spacing.grid !== grid) this.spacing = { grid, value: grid.spacing() };
    const tiles = (this.spacing.value * scale) / Math.max(this.side.width, this.side.height);
    const part = Math.max(0, Math.min(1, (tiles - BEGIN) / (FULL - BEGIN)));
    return part * part * (3 - 2 * part);
  }

  /** Rows whose tiles are drawn for the scene, the lowest first. */
  chosen({ view, width, height, grid }: Scene): Int32Array {
    return selectTiles(grid, view, { width, height }, { width: this.side.width + 6, height: this.side.height + 6 });
  }

  /** Draw the scene's tiles, each centered on its point; returns the rows drawn. The context's unit is a CSS pixel. */
  draw(context: CanvasRenderingContext2D, scene: Scene): number[] {
    const alpha = this.opacity(scene.grid, scene.view.scale);
    this.wanted = new Set();
    this.tiles = [];
    if (alpha === 0) return [];
    const { view, width, height, grid } = scene;
    const { width: w, height: h } = this.side;
    context.save();
    context.globalAlpha = alpha;
    context.lineWidth = 1.5;
    for (const row of this.chosen(scene)) {
      const x = Math.round(width / 2 + (grid.positions[2 * row] - view.x) * view.scale - w / 2);
      const y = Math.round(height / 2 - (grid.positions[2 * row + 1] - view.y) * view.scale - h / 2);
      if (!this.drawTile(context, row, x, y, w, h)) continue;
      context.strokeStyle = scene.frame(row);
      context.strokeRect(x - 0.75, y - 0.75, w + 1.5, h + 1.5);
      this.tiles.push({ row, x, y });
    }
    context.restore();
    return this.tiles.map(({ row }) => row);
  }

  /** Draw no tiles, so that none is under the pointer. */
  hide(): void {
    this.tiles = [];
  }

  /** The row whose tile, as last drawn, is under a pixel; -1 if there is none. */
  rowAt(px: number, py: number): number {
    const { width, height } = this.side;
    const over = this.tiles.find(({ x, y }) => px >= x && px < x + width && py >= y && py < y + height);
    return over ? over.row : -1;
  }

  /** Draw the image of a row into a rectangle, without smoothing if enlarged; false while its sheet is loading. */
  drawTile(context: CanvasRenderingContext2D, row: number, x: number, y: number, w: number, h: number): boolean {
    const tile = tileOf(this.sprites, row);
    const sheet = this.sheet(tile.sheet);
    if (!sheet) return false;
    context.imageSmoothingEnabled = w * context.getTransform().a < 2 * tile.w;
    context.imageSmoothingQuality = "high";
    context.drawImage(sheet, tile.x, tile.y, tile.w, tile.h, x, y, w, h);
    return true;
  }

  close(): void {
    this.closed = true;
    for (const sheet of this.sheets.values()) sheet.close();
    this.sheets.clear();
  }

  /** The sheet if it is in the cache; otherwise start loading it. */
  private sheet(index: number): ImageBitmap | null {
    const sheet = this.sheets.get(index);
    this.wanted.add(index);
    if (sheet) {
      this.sheets.delete(index);
      this.sheets.set(index, sheet);
    } else if (!this.loading.has(index) && !this.failed.has(index)) void this.load(index);
    return sheet ?? null;
  }

  private async load(index: number): Promise<void> {
    this.loading.add(index);
    try {
      const sheet = await this.files.image(this.sprites.sheets[index]);
      if (this.closed) return sheet.close();
      this.sheets.set(index, sheet);
      this.dropOld();
      this.redraw();
    } catch {
      this.failed.add(index); // do not retry at every frame
    } finally {
      this.loading.delete(index);
    }
  }

  private dropOld(): void {
    for (const [index, sheet] of this.sheets) {
      if (this.sheets.size <= MAX_SHEETS) return;
      if (this.wanted.has(index)) continue;
      sheet.close();
      this.sheets.delete(index);
    }
  }
}
