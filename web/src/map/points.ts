/** Draws the points of a chart with WebGL2 when something changes. */

import type { View } from "../types";
import { boxOf } from "./camera";
import { buffer, program, type Shader } from "./gl";
import { filledArea, inkOf } from "./ink";
import { FRAGMENT, VERTEX } from "./shader";

const GHOST = 0;
const PALE = 1;
const USUAL = 2;
const STRONG = 3;

const LATE = 60; // milliseconds between frames that count as late
const MIN_DRAWN = 30_000; // points that are always drawn
const PAUSE = 150; // milliseconds without changes after which all points are drawn

interface Flight {
  begun: number;
  lasts: number;
  view: View; // of the old positions
  done: () => void;
}

/** Draws the points of one chart; a change of chart animates each point to its new position. */
export class PointMap {
  readonly renderer: string; // the graphics renderer as the browser reports it
  onframe: () => void = () => undefined; // called after each frame, for overlays
  private readonly gl: WebGL2RenderingContext;
  private shader!: Shader;
  private positions: Float32Array = new Float32Array(0);
  private old: Float32Array = this.positions;
  private indices: Uint8Array = new Uint8Array(0);
  private palette: Uint8Array = new Uint8Array(1024);
  private shown: Uint8Array | null = null;
  private marked: Uint8Array | null = null;
  private states = new Uint8Array(0);
  private layers: number[] = [];
  private shownCount = 0;
  private stale = new Set<"to" | "from" | "code" | "state" | "palette">();
  private filled = 1; // area, in the chart's units
  private look: View = { x: 0, y: 0, scale: 1 };
  private flight: Flight | null = null;
  private frame = 0;
  private settle = 0; // a timer
  private affordable = Infinity; // points per frame while the map moves
  private width = 1;
  private height = 1;
  private ratio = 1;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: true });
    if (!gl) throw new Error("The map needs WebGL2, which this browser lacks or has switched off.");
    this.gl = gl;
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    this.renderer = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    this.build();
    canvas.addEventListener("webglcontextlost", this.lost);
    canvas.addEventListener("webglcontextrestored", this.build);
  }

  get view(): View {
    return this.look;
  }

  set view(view: View) {
    this.look = view;
    this.requestFrame();
  }

  /** Whether a change of chart is being animated. */
  get moving(): boolean {
    return this.flight !== null;
  }

  /**
   * Set the positions (x, y, x, y ...) and the view; `animate` is the duration in milliseconds. The promise resolves
   * when the animation ends or is replaced.
   */
  setPositions(positions: Float32Array, options: { animate?: number; view?: View } = {}): Promise<void> {
    const animate = positions.length === this.positions.length ? (options.animate ?? 0) : 0;
    this.flight?.done();
    this.flight = null;
    const before = this.look;
    this.old = animate > 0 ? this.positions : positions;
    this.positions = positions;
    this.filled = filledArea(positions, boxOf(positions)) || 1;
    this.look = options.view ?? this.look;
    this.stale.add("to").add("from").add("code");
    this.count();
    this.requestFrame();
    if (animate <= 0) return Promise.resolve();
    return new Promise((done) => {
      this.flight = { begun: performance.now(), lasts: animate, view: before, done };
    });
  }

  /** A palette index for each point, and a palette of 256 colours (RGBA). */
  setColours(indices: Uint8Array, palette: Uint8Array): void {
    this.indices = indices;
    this.palette = palette;
    this.stale.add("code").add("palette");
    this.requestFrame();
  }

  /** Points outside the mask are drawn faintly; null shows all. */
  setShown(mask: Uint8Array | null): void {
    this.shown = mask;
    this.count();
    this.requestFrame();
  }

  /** Points in the mask are highlighted; null highlights none. */
  setMarked(mask: Uint8Array | null): void {
    this.marked = mask;
    this.count();
    this.requestFrame();
  }

  /** CSS pixels, and device pixels to each. */
  resize(width: number, height: number, ratio: number): void {
    [this.width, this.height, this.ratio] = [Math.max(width, 1), Math.max(height, 1), ratio];
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.draw();
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settle);
    this.flight?.done();
    this.canvas.removeEventListener("webglcontextlost", this.lost);
    this.canvas.removeEventListener("webglcontextrestored", this.build);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Draw all points now; changes are drawn automatically. */
  draw(): void {
    this.show(Infinity);
  }

  private show(most: number): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settle);
    this.frame = 0;
    if (this.gl.isContextLost()) return;
    const part = this.travelled();
    const count = this.positions.length / 2;
    this.upload();
    this.paint(part, Math.min(most, count));
    if (count > MIN_DRAWN) this.pace(performance.now());
    if (this.flight) this.requestFrame();
    else if (most < count) this.settle = window.setTimeout(() => this.draw(), PAUSE);
    this.onframe();
  }

  /** Draw fewer points when frames are late; rows are in random order, so the first ones are a uniform sample. */
  private pace(drawn: number): void {
    const count = this.positions.length / 2;
    requestAnimationFrame(() => {
      const late = performance.now() - drawn;
      if (late > LATE) this.affordable = Math.max(MIN_DRAWN, Math.min(this.affordable, count) * 0.6);
      else if (late < LATE / 2) this.affordable *= 1.15;
      if (this.affordable >= count) this.affordable = Infinity;
    });
  }

  /** The eased progress of the animation, from 0 to 1; ends the animation at 1. */
  private travelled(): number {
    if (!this.flight) return 1;
    const part = Math.min(1, (performance.now() - this.flight.begun) / this.flight.lasts);
    if (part === 1) {
      this.flight.done();
      this.flight = null;
    }
    return part * part * part * (part * (6 * part - 15) + 10);
  }

  private paint(part: number, count: number): void {
    const { gl, look, shader } = this;
    const from = this.flight?.view ?? look;
    const ink = inkOf(this.shownCount, this.filled * look.scale ** 2);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform3f(shader.uniform("fromView"), from.x, from.y, from.scale);
    gl.uniform3f(shader.uniform("toView"), look.x, look.y, look.scale);
    gl.uniform2f(shader.uniform("size"), this.width, this.height);
    gl.uniform1f(shader.uniform("mixed"), part);
    gl.uniform1f(shader.uniform("diameter"), ink.diameter * this.ratio);
    gl.uniform1f(shader.uniform("alpha"), ink.alpha);
    for (const layer of this.layers) {
      gl.uniform1ui(shader.uniform("layer"), layer);
      gl.drawArrays(gl.POINTS, 0, count);
    }
  }

  /** The layer that each point is drawn in, from the masks. */
  private count(): void {
    const n = this.positions.length / 2;
    const { shown, marked } = this;
    if (this.states.length !== n) this.states = new Uint8Array(n);
    const amounts = [0, 0, 0, 0];
    for (let row = 0; row < n; row++) {
      const state = shown && !shown[row] ? GHOST : !marked ? USUAL : marked[row] ? STRONG : PALE;
      this.states[row] = state;
      amounts[state]++;
    }
    this.layers = [GHOST, PALE, USUAL, STRONG].filter((state) => amounts[state] > 0);
    this.shownCount = n - amounts[GHOST];
    this.stale.add("state");
  }

  private requestFrame(): void {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.show(this.affordable));
  }

  private readonly lost = (event: Event): void => event.preventDefault(); // else it is never restored

  private readonly build = (): void => {
    const { gl } = this;
    this.shader = program(gl, VERTEX, FRAGMENT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    this.stale = new Set(["to", "from", "code", "state", "palette"]);
    this.requestFrame();
  };

  /** Upload the buffers that changed since the last frame. */
  private upload(): void {
    const { gl, shader, stale } = this;
    const n = this.positions.length / 2;
    const indices = this.indices.length === n ? this.indices : new Uint8Array(n); // indices of another set of points
    if (stale.has("from")) buffer(gl, shader, "from", this.old, 2);
    if (stale.has("to")) buffer(gl, shader, "to", this.positions, 2);
    if (stale.has("code")) buffer(gl, shader, "code", indices, 1);
    if (stale.has("state")) buffer(gl, shader, "state", this.states, 1);
    if (stale.has("palette"))
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.palette);
    stale.clear();
  }
}
