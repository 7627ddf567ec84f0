/** The plane of a run's chart: its points, and a cross that the pointer or the arrow keys move. */

import { colouring, type Colouring } from "../data/colours";
import { fit, toPixel, toPosition } from "../map/camera";
import type { View } from "../types";
import { el } from "./dom";
import type { FigureRun } from "./run";
import type { Stage } from "./stage";

const MARGIN = 8; // pixels around the chart
const RADIUS = 2.2; // pixels of a point
const STEP = 1 / 40; // of the chart's width, by which an arrow key moves
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

export class Plane {
  readonly canvas: HTMLCanvasElement;
  x = 0; // position of the cross
  y = 0;
  #colours: Colouring | null = null;
  #dark: boolean | null = null;

  constructor(
    readonly stage: Stage,
    readonly run: FigureRun,
    readonly moved: (x: number, y: number) => void,
  ) {
    const label = `Map of ${run.entry.name}: the pointer or the arrow keys choose a position, which is decoded`;
    this.canvas = el("canvas", { class: "plane", tabindex: 0, role: "application", "aria-label": label });
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.#point(event));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    stage.onpaint(() => this.draw());
  }

  /** Move the cross without a call of `moved`. */
  set(x: number, y: number): void {
    [this.x, this.y] = [x, y];
    this.draw();
  }

  draw(): void {
    const { canvas, run, stage } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const ratio = devicePixelRatio;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const pen = canvas.getContext("2d")!;
    pen.scale(ratio, ratio);
    const view = this.#view();
    const { indices, palette } = this.#colouring();
    for (let i = 0; i < indices.length; i++) {
      const [px, py] = toPixel(view, width, height, run.positions[2 * i], run.positions[2 * i + 1]);
      const [r, g, b] = palette.subarray(4 * indices[i], 4 * indices[i] + 3);
      pen.fillStyle = `rgb(${r} ${g} ${b} / 75%)`;
      pen.beginPath();
      pen.arc(px, py, RADIUS, 0, 2 * Math.PI);
      pen.fill();
    }
    const [px, py] = toPixel(view, width, height, this.x, this.y);
    pen.strokeStyle = stage.ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(px, py, 7, 0, 2 * Math.PI);
    pen.moveTo(px - 12, py);
    pen.lineTo(px + 12, py);
    pen.moveTo(px, py - 12);
    pen.lineTo(px, py + 12);
    pen.stroke();
  }

  /** The colours of the points with their names, for a legend. */
  get legend(): { title: string; entries: { text: string; colour: string }[] } {
    const { legend } = this.#colouring();
    const { title } = legend;
    return { title, entries: legend.kind === "number" || !title ? [] : legend.entries.slice(0, 12) };
  }

  #colouring(): Colouring {
    const dark = this.stage.dark;
    if (!this.#colours || this.#dark !== dark) {
      const { table, entry } = this.run;
      const { columns } = entry;
      const wanted = this.stage.attribute("colour") ?? "label";
      const column = columns.find(({ name }) => name === wanted) ?? columns.find(({ kind, name }) => kind !== "number" && name !== "split");
      this.#colours = colouring(column ?? null, table, dark ? "dark" : "light");
      this.#dark = dark;
    }
    return this.#colours;
  }

  #view(): View {
    return fit(this.run.chart.box, this.canvas.clientWidth, this.canvas.clientHeight, MARGIN);
  }

  #point(event: PointerEvent): void {
    const { canvas } = this;
    const [x, y] = toPosition(this.#view(), canvas.clientWidth, canvas.clientHeight, event.offsetX, event.offsetY);
    this.#move(x, y);
  }

  #key(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const [left, , right] = this.run.chart.box;
    const step = (right - left) * STEP * (event.shiftKey ? 4 : 1);
    this.#move(this.x + arrow[0] * step, this.y + arrow[1] * step);
  }

  #move(x: number, y: number): void {
    const [left, bottom, right, top] = this.run.chart.box;
    this.set(Math.min(Math.max(x, left), right), Math.min(Math.max(y, bottom), top));
    this.moved(this.x, this.y);
  }
}
