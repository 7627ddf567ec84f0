/** Thumbnails of the real images on the map. */

import type { View } from "../types";
import { selectTiles } from "./select";
import type { Grid } from "./grid";
import type { SpriteSheets } from "./sheets";

export interface Scene {
  view: View;
  width: number; // CSS pixels
  height: number;
  grid: Grid; // of the points that are shown, and of no others
  frame(row: number): string; // the colour of a tile's frame
}

const MIN_SIDE = 48; // smallest longer side of a tile in CSS pixels
const BEGIN = 0.2; // spacing of the points, in tiles, at which tiles start to appear
const FULL = 0.28; // and at which they are opaque

/** Draws tiles over the points when the map is zoomed in; `redraw` is called when a sheet has loaded. */
export class Thumbnails {
  readonly side: { width: number; height: number }; // of a tile on the map, CSS pixels
  private tiles: { row: number; x: number; y: number }[] = []; // of the last drawing
  private closed = false;
  private spacing = { grid: null as Grid | null, value: Infinity };

  constructor(
    private readonly sheets: SpriteSheets,
    private readonly redraw: () => void = () => undefined,
  ) {
    const { sprites } = sheets;
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
    this.sheets.begin();
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
      if (!this.sheets.draw(context, row, x, y, w, h)) continue;
      context.strokeStyle = scene.frame(row);
      context.strokeRect(x - 0.75, y - 0.75, w + 1.5, h + 1.5);
      this.tiles.push({ row, x, y });
    }
    context.restore();
    this.sheets.complete(() => !this.closed && this.redraw());
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

  /** Draw no more when sheets come. */
  close(): void {
    this.closed = true;
  }
}
