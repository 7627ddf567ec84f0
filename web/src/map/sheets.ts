/** Sprite sheets of the real images: the last used ones in memory, and a small copy of each that was loaded. */

import type { Sprites } from "../contract";
import type { Files } from "../types";

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

const MAX_SHEETS = 8; // decoded sheets in memory, besides those that a drawing needs; one has up to 16 MB
const MAX_PREFETCHED = 64; // sheets that are loaded before they are needed
const REDUCTION = 4; // of the sides of a small copy
const RETRY = 5000; // milliseconds until a sheet that could not be loaded is requested again

type Context = Pick<CanvasRenderingContext2D, "drawImage" | "imageSmoothingEnabled" | "imageSmoothingQuality" | "getTransform">;

export class SpriteSheets {
  private readonly sheets = new Map<number, ImageBitmap>(); // the least recently used first
  private readonly copies = new Map<number, ImageBitmap>();
  private readonly loading = new Map<number, Promise<boolean>>();
  private readonly failed = new Map<number, number>(); // when
  private needed = new Set<number>(); // by the current drawing
  private cleared = false;

  constructor(
    readonly sprites: Sprites,
    private readonly files: Files,
  ) {}

  /** From now on, the sheets that are drawn stay in memory until the next call. */
  begin(): void {
    this.needed = new Set();
  }

  /** Draw the image of a row for the current drawing; see `put`. */
  draw(context: Context, row: number, x: number, y: number, w: number, h: number): boolean {
    this.needed.add(tileOf(this.sprites, row).sheet);
    return this.put(context, row, x, y, w, h);
  }

  /** Draw the image of a row on a canvas of its own; false, without a change, if it is not loaded. */
  paint(canvas: HTMLCanvasElement, row: number): boolean {
    const { sheet, w, h } = tileOf(this.sprites, row);
    if (!this.sheets.has(sheet) && !this.copies.has(sheet)) return false;
    [canvas.width, canvas.height] = [w, h];
    return this.put(canvas.getContext("2d")!, row, 0, 0, w, h);
  }

  /**
   * Draw the image of a row into a rectangle, without smoothing if it is enlarged: from its sheet, or from the small copy
   * until the sheet is loaded. False if there is neither.
   */
  private put(context: Context, row: number, x: number, y: number, w: number, h: number): boolean {
    const tile = tileOf(this.sprites, row);
    const sheet = this.sheets.get(tile.sheet);
    const source = sheet ?? this.copies.get(tile.sheet);
    if (!source) return false;
    if (sheet) this.use(tile.sheet, sheet);
    const part = sheet ? 1 : REDUCTION;
    context.imageSmoothingEnabled = !sheet || w * context.getTransform().a < 2 * tile.w;
    context.imageSmoothingQuality = "high";
    context.drawImage(source, tile.x / part, tile.y / part, tile.w / part, tile.h / part, x, y, w, h);
    return true;
  }

  /** Load the sheets that the current drawing lacks; `loaded` is called for each. */
  complete(loaded: () => void): void {
    for (const sheet of this.needed) void this.loadSheet(sheet).then((done) => done && loaded());
  }

  /** Load the sheet of a row; resolves to whether it was not in memory and is now. */
  load(row: number): Promise<boolean> {
    return this.loadSheet(tileOf(this.sprites, row).sheet);
  }

  private async loadSheet(sheet: number): Promise<boolean> {
    if (this.sheets.has(sheet) || performance.now() - (this.failed.get(sheet) ?? -Infinity) < RETRY) return false;
    let loading = this.loading.get(sheet);
    if (!loading) {
      loading = this.read(sheet, true).finally(() => this.loading.delete(sheet));
      this.loading.set(sheet, loading);
    }
    return loading;
  }

  /** Load all sheets one after the other, that of `row` first, so that every image can be drawn at once. */
  async prefetch(row: number): Promise<void> {
    const { length } = this.sprites.sheets;
    await this.load(row);
    const { saveData, type } = (navigator as { connection?: { saveData?: boolean; type?: string } }).connection ?? {};
    if (saveData || type === "cellular") return; // a reader may pay for each megabyte
    const all = length <= MAX_SHEETS;
    for (let i = 0; i < Math.min(length, MAX_PREFETCHED) && !this.cleared; i++) {
      if (!this.copies.has(i) && !this.loading.has(i)) await this.read(i, all);
    }
  }

  /** Free the memory, and load ahead no more; what is drawn later is loaded again. */
  clear(): void {
    this.cleared = true;
    for (const image of [...this.sheets.values(), ...this.copies.values()]) image.close();
    this.sheets.clear();
    this.copies.clear();
  }

  /** Load a sheet and copy it; `keep` keeps the sheet itself, too. Resolves to whether it could be loaded. */
  private async read(index: number, keep: boolean): Promise<boolean> {
    try {
      const sheet = await this.files.image(this.sprites.sheets[index]);
      this.failed.delete(index);
      if (!this.copies.has(index)) {
        const { columns, rows, width, height } = this.sprites;
        const [resizeWidth, resizeHeight] = [columns * width, rows * height].map((side) => Math.ceil(side / REDUCTION));
        this.copies.set(index, await createImageBitmap(sheet, { resizeWidth, resizeHeight, resizeQuality: "medium" }));
      }
      if (keep) this.use(index, sheet);
      else sheet.close();
      this.dropOld();
      return true;
    } catch {
      this.failed.set(index, performance.now());
      return false;
    }
  }

  /** Make a sheet the most recently used one. */
  private use(index: number, sheet: ImageBitmap): void {
    this.sheets.delete(index);
    this.sheets.set(index, sheet);
  }

  private dropOld(): void {
    for (const [index, sheet] of this.sheets) {
      if (this.sheets.size <= MAX_SHEETS) return;
      if (this.needed.has(index)) continue;
      sheet.close();
      this.sheets.delete(index);
    }
  }
}
