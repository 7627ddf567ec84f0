/** The points of a chart, drawn by WebGL2 when something changed. */

import type { View } from "../contract";
import { boxOf } from "./camera";
import { buffer, program, type Shader } from "./gl";
import { filledArea, inkOf } from "./ink";
import { FRAGMENT, VERTEX } from "./shader";

const GHOST = 0;
const PALE = 1;
const USUAL = 2;
const STRONG = 3;

const LATE = 60; // milliseconds from one frame to the next
const ENOUGH = 30_000; // points that are always drawn
const PAUSE = 150; // milliseconds of rest after which all are

interface Flight {
  begun: number;
  lasts: number;
  view: View; // of the old places
  done: () => void;
}

/** Draws points of one chart at a time; a change of chart moves each point on the screen from its old to its new place. */
export class PointMap {
  readonly renderer: string; // the name of what draws, as the browser tells it
  onframe: () => void = () => undefined; // after each frame, for what is drawn over the points
  private readonly gl: WebGL2RenderingContext;
  private shader!: Shader;
  private places: Float32Array = new Float32Array(0);
  private old: Float32Array = this.places;
  private codes: Uint8Array = new Uint8Array(0);
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
  private affordable = Infinity; // points a frame while the map moves
  private width = 1;
  private height = 1;
  private ratio = 1;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext("webgl2", {
      antialias: false,
      premultipliedAlpha: true,
      preserveDrawingBuffer: true,
    });
    if (!gl) throw new Error("The map needs WebGL2, which this browser lacks or has switched off.");
    this.gl = gl;
    const told = gl.getExtension("WEBGL_debug_renderer_info");
    this.renderer = String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    this.build();
    canvas.addEventListener("webglcontextlost", this.lost);
    canvas.addEventListener("webglcontextrestored", this.build);
  }

  get view(): View {
    return this.look;
  }

  set view(view: View) {
    this.look = view;
    this.ask();
  }

  /** Whether points are on their way from one chart to the next. */
  get moving(): boolean {
    return this.flight !== null;
  }

  /**
   * New places (x, y, x, y ...) and the view of them; with `animate` (milliseconds) the points go there from where they
   * are. The promise is kept when they have arrived, or others were set meanwhile.
   */
  setPlaces(places: Float32Array, options: { animate?: number; view?: View } = {}): Promise<void> {
    const animate = places.length === this.places.length ? (options.animate ?? 0) : 0;
    this.flight?.done();
    this.flight = null;
    const before = this.look;
    this.old = animate > 0 ? this.places : places;
    this.places = places;
    this.filled = filledArea(places, boxOf(places)) || 1;
    this.look = options.view ?? this.look;
    this.stale.add("to").add("from").add("code");
    this.count();
    this.ask();
    if (animate <= 0) return Promise.resolve();
    return new Promise((done) => {
      this.flight = { begun: performance.now(), lasts: animate, view: before, done };
    });
  }

  /** The codes are indices into the palette: 256 colours, RGBA. */
  setColours(codes: Uint8Array, palette: Uint8Array): void {
    this.codes = codes;
    this.palette = palette;
    this.stale.add("code").add("palette");
    this.ask();
  }

  /** Points out of the mask are ghosts; null shows all. */
  setShown(mask: Uint8Array | null): void {
    this.shown = mask;
    this.count();
    this.ask();
  }

  /** Points in the mask stand out and the others step back; null marks none. */
  setMarked(mask: Uint8Array | null): void {
    this.marked = mask;
    this.count();
    this.ask();
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

  /** Draws all points now; whoever changes something need not call it. */
  draw(): void {
    this.show(Infinity);
  }

  private show(most: number): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settle);
    this.frame = 0;
    if (this.gl.isContextLost()) return;
    const part = this.travelled();
    const count = this.places.length / 2;
    this.upload();
    this.paint(part, Math.min(most, count));
    if (count > ENOUGH) this.pace(performance.now());
    if (this.flight) this.ask();
    else if (most < count) this.settle = window.setTimeout(() => this.draw(), PAUSE);
    this.onframe();
  }

  /** Where the next frame comes late, those that follow draw less: rows are in random order, so the first stand for all. */
  private pace(drawn: number): void {
    const count = this.places.length / 2;
    requestAnimationFrame(() => {
      const late = performance.now() - drawn;
      if (late > LATE) this.affordable = Math.max(ENOUGH, Math.min(this.affordable, count) * 0.6);
      else if (late < LATE / 2) this.affordable *= 1.15;
      if (this.affordable >= count) this.affordable = Infinity;
    });
  }

  /** How much of the way is gone, eased; ends the flight at the end of it. */
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
    const n = this.places.length / 2;
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

  private ask(): void {
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
    this.ask();
  };

  /** Sends to the processor what changed since the last frame. */
  private upload(): void {
    const { gl, shader, stale } = this;
    const n = this.places.length / 2;
    const codes = this.codes.length === n ? this.codes : new Uint8Array(n); // of other points than these
    if (stale.has("from")) buffer(gl, shader, "from", this.old, 2);
    if (stale.has("to")) buffer(gl, shader, "to", this.places, 2);
    if (stale.has("code")) buffer(gl, shader, "code", codes, 1);
    if (stale.has("state")) buffer(gl, shader, "state", this.states, 1);
    if (stale.has("palette"))
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, this.palette);
    stale.clear();
  }
}
