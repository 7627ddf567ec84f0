/** Decoded tiles over the map: the image at every position, drawn as soon as it is decoded. */

import { THEMES } from "../contract";
import type { View } from "../types";
import { toPixel, toPosition, type Box, type Grid } from "../map";
import { paint } from "../media";
import type { RunState } from "./run.svelte";

const SIDE = 34; // smallest side of a tile in CSS pixels; at most 1.5 times as large
const BATCH = 16; // tiles decoded at a time
const MAX_TILES = 4000; // tiles in the cache
const MIN_COVERAGE = 0.12; // below this data coverage no tile is shown

interface Cell {
  key: string;
  x: number; // position of its center
  y: number;
  coverage: number;
}

/** Tiles lie on a lattice that gets finer with every half octave of zoom, so that panning reuses them. */
export class DecodedTiles {
  private tiles = new Map<string, HTMLCanvasElement>();
  private ticket = 0;

  constructor(
    private readonly run: RunState,
    private readonly bounds: Box, // of the points; a tile whose center is beyond could be cut at the edge of the map
    private readonly changed: () => void,
  ) {}

  clear(): void {
    this.ticket += 1;
    this.tiles.clear();
  }

  /** Draw the tiles that are decoded already, where one of the points is at most half a tile away. */
  draw(context: CanvasRenderingContext2D, view: View, width: number, height: number, points: Grid | null): void {
    const step = stepOf(view);
    const side = step * view.scale;
    context.imageSmoothingEnabled = side < 2 * this.run.entry.image.width;
    context.strokeStyle = THEMES.light.generated;
    context.lineWidth = 1;
    for (const cell of this.cells(view, width, height)) {
      const tile = this.tiles.get(cell.key);
      if (!tile || (points && points.nearest(cell.x, cell.y, 0.7 * step) < 0)) continue;
      const [px, py] = toPixel(view, width, height, cell.x, cell.y);
      context.globalAlpha = Math.min(1, cell.coverage * 1.1);
      const scale = side / Math.max(tile.width, tile.height);
      const [w, h] = [tile.width * scale, tile.height * scale];
      context.drawImage(tile, px - w / 2 + 1, py - h / 2 + 1, w - 2, h - 2);
      context.strokeRect(px - w / 2 + 0.5, py - h / 2 + 0.5, w - 1, h - 1);
    }
    context.globalAlpha = 1;
  }

  /** Decode the missing tiles from the center outwards; a newer call cancels an older one. */
  async fill(view: View, width: number, height: number): Promise<void> {
    const ticket = ++this.ticket;
    if (this.tiles.size > MAX_TILES) this.tiles.clear();
    const missing = this.cells(view, width, height).filter((cell) => !this.tiles.has(cell.key));
    missing.sort((a, b) => Math.hypot(a.x - view.x, a.y - view.y) - Math.hypot(b.x - view.x, b.y - view.y));
    for (let i = 0; i < missing.length; i += BATCH) {
      const part = missing.slice(i, i + BATCH);
      const positions = Float32Array.from(part.flatMap(({ x, y }) => [x, y]));
      const images = await this.run.decode(this.run.liftAll(positions), part.length);
      if (ticket !== this.ticket || !images) return;
      part.forEach((cell, j) => this.tiles.set(cell.key, paint(document.createElement("canvas"), images, j)));
      this.changed();
    }
  }

  private cells(view: View, width: number, height: number): Cell[] {
    const step = stepOf(view);
    const [left, top] = toPosition(view, width, height, 0, 0);
    const [right, bottom] = toPosition(view, width, height, width, height);
    const [west, south, east, north] = this.bounds;
    const result: Cell[] = [];
    for (let i = Math.floor(left / step); i * step <= right; i++) {
      for (let j = Math.floor(bottom / step); j * step <= top; j++) {
        const [x, y] = [(i + 0.5) * step, (j + 0.5) * step];
        if (x < west || x > east || y < south || y > north) continue;
        const coverage = this.run.coverage(x, y);
        if (coverage >= MIN_COVERAGE) result.push({ key: `${step} ${i} ${j}`, x, y, coverage });
      }
    }
    return result;
  }
}

/** The side of a tile in units of the chart. */
function stepOf(view: View): number {
  return 2 ** (Math.ceil(2 * Math.log2(SIDE / view.scale)) / 2);
}
