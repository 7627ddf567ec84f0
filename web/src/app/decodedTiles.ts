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
    const [across, down] = this.stepsOf(view);
    const [w, h] = [across * view.scale, down * view.scale];
    context.imageSmoothingEnabled = w < 2 * this.run.entry.image.width;
    context.strokeStyle = THEMES.light.generated;
    context.lineWidth = 1;
    for (const cell of this.cells(view, width, height)) {
      const tile = this.tiles.get(cell.key);
      if (!tile || (points && points.nearest(cell.x, cell.y, 0.7 * Math.max(across, down)) < 0)) continue;
      const [px, py] = toPixel(view, width, height, cell.x, cell.y);
      context.globalAlpha = Math.min(1, cell.coverage * 1.1);
      const scale = Math.min(w / tile.width, h / tile.height);
      const [dx, dy] = [(tile.width * scale) / 2, (tile.height * scale) / 2];
      context.drawImage(tile, px - dx + 1, py - dy + 1, 2 * dx - 2, 2 * dy - 2);
      context.strokeRect(px - dx + 0.5, py - dy + 0.5, 2 * dx - 1, 2 * dy - 1);
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

  /** The sides of a tile in units of the chart, in the shape of the images. */
  private stepsOf({ scale }: View): [number, number] {
    const { width, height } = this.run.entry.image;
    const shape = Math.min(Math.max(Math.sqrt(width / height), 0.5), 2); // a tile of extreme shape would be thin
    const step = 2 ** (Math.ceil(2 * Math.log2(SIDE / scale)) / 2);
    return [step * shape, step / shape];
  }

  private cells(view: View, width: number, height: number): Cell[] {
    const [across, down] = this.stepsOf(view);
    const [left, top] = toPosition(view, width, height, 0, 0);
    const [right, bottom] = toPosition(view, width, height, width, height);
    const [west, south, east, north] = this.bounds;
    const result: Cell[] = [];
    for (let i = Math.floor(left / across); i * across <= right; i++) {
      for (let j = Math.floor(bottom / down); j * down <= top; j++) {
        const [x, y] = [(i + 0.5) * across, (j + 0.5) * down];
        if (x < west || x > east || y < south || y > north) continue;
        const coverage = this.run.coverage(x, y);
        if (coverage >= MIN_COVERAGE) result.push({ key: `${across} ${i} ${j}`, x, y, coverage });
      }
    }
    return result;
  }
}
