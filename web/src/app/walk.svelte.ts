/** The walk through the pins: its curve, its strip of images, and the current position. */

import type { Images } from "../types";
import { at as along, changes, curve, curveTime, duration, frameCount, frameTimes, freehand, move, loop, nearestMark, originalTime, overChart, placed, sample, spiral, spline, stack, steady, defaultBlend, type Curve } from "../latent";
import { keyframeOf } from "./keyframe";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import type { Anchor } from "./anchor";
import type { Place } from "./place";

export const METHODS = ["lerp", "slerp", "spline", "geodesic", "drawn", "spiral"] as const;
export type Method = (typeof METHODS)[number];

const TILES = 11; // images of the strip
const TRACED = 60; // positions of the path on the map
const PACED = 120; // images that the rate of change is measured on
const TURNS = 3; // of a spiral
const ON_THE_WALK = "on the walk";

export class Walk {
  method = $state<Method>("slerp");
  closed = $state(false);
  constantRate = $state(false);
  playing = $state(false);
  seconds = $state(4);
  at = $state(0);
  stroke = $state.raw<Float32Array | null>(null); // positions of a path drawn on the map
  curve = $state.raw<Curve | null>(null);
  path = $state.raw<Float32Array | null>(null); // its positions on the map
  strip = $state.raw<Images | null>(null);
  places = $state.raw<Place[]>([]); // of each image of the strip
  problem = $state("");
  working = $state(false);
  fromLink = $state(false); // a link asks for this position: it is shown as soon as there is a curve
  private readonly page: Page;
  private ticket = 0;

  constructor(page: Page) {
    this.page = page;
    this.method = defaultBlend(page.run.entry);
  }

  /** Recompute the curve, its path and its strip; a newer call cancels an older one. */
  async remake(): Promise<void> {
    const ticket = ++this.ticket;
    const stale = () => ticket !== this.ticket;
    this.working = true;
    try {
      const result = await this.compute();
      if (stale()) return;
      this.problem = "";
      this.curve = result;
      if (!result) {
        this.path = this.strip = null;
        this.playing = false;
        return;
      }
      if (this.fromLink) void this.go(this.at).finally(() => (this.fromLink = false));
      const path = this.plane?.knots ?? (await this.page.run.positionsOf(sample(result, TRACED)));
      if (stale()) return; // the pins have changed meanwhile
      this.path = path;
      const { run } = this.page;
      const anchors = this.steps(TILES);
      const strip = await run.decode(stack(anchors.map(({ z }) => z)), TILES, "strip", anchors.map((anchor) => run.labelOf(anchor)));
      const places = await run.placesOf(anchors);
      if (stale() || !strip) return;
      this.strip = strip;
      this.places = places;
    } catch (error) {
      if (!stale()) this.fail(error as Error);
    } finally {
      if (!stale()) this.working = false;
    }
  }

  /** Move to this position (0 to 1) and show its image. */
  async go(at: number): Promise<void> {
    this.at = Math.min(Math.max(at, 0), 1);
    if (!this.curve) return;
    await this.page.show(this.anchorAt(this.at));
  }

  anchorAt(at: number): Anchor {
    const curve = this.curve!;
    const about = `${Math.round(at * 100)} % of the walk`;
    return { z: along(curve, [at]), row: null, name: ON_THE_WALK, about, label: this.labelAt(curve, at), coverage: this.coverageAt(curve, at) };
  }

  /** The anchors of n equal steps. */
  steps(n: number): Anchor[] {
    return Array.from({ length: n }, (_, i) => this.anchorAt(i / Math.max(n - 1, 1)));
  }

  /** Data coverage at the position of a walk over the map; undefined for a walk through the latent space. */
  private coverageAt(curve: Curve, at: number): number | undefined {
    const plane = this.plane;
    if (!plane) return undefined;
    const [x, y] = along(plane, [this.constantRate ? originalTime(curve, at) : at]);
    return this.page.run.coverage(x, y);
  }

  /** The class of each of n equal steps, for a conditional model. */
  labels(curve: Curve, n: number): number[] {
    return Array.from({ length: n }, (_, i) => this.labelAt(curve, i / Math.max(n - 1, 1)));
  }

  /** The class at a position: that of the nearest pin on the walk. A path over the map has the selected class. */
  private labelAt(curve: Curve, at: number): number {
    const { run, pins } = this.page;
    if (!pins.length || curve.marks.length < pins.length || this.plane) return run.label;
    return run.labelOf(pins[nearestMark(curve, at) % pins.length]);
  }

  /** Whether the pins are the keyframes of this walk. */
  get timed(): boolean {
    return !this.plane && this.page.pins.length > 1;
  }

  get duration(): number {
    return this.timed ? duration(this.page.pins.map(keyframeOf), this.closed) : this.seconds;
  }

  /** The latent of a pin with the edits of its keyframe. */
  latentOf(pin: Anchor): Float32Array {
    const { edits } = keyframeOf(pin);
    const moves = this.page.sliders.all.flatMap((direction) => {
      const amount = Object.hasOwn(edits, direction.name) ? edits[direction.name] : 0;
      return amount ? [{ direction, amount }] : [];
    });
    return moves.length ? move(pin.z, moves) : pin.z;
  }

  /** The position at a second of the timeline. */
  private positionAt(second: number): number {
    if (!this.timed || !this.curve) return second / this.seconds;
    return curveTime(this.page.pins.map(keyframeOf), this.curve.marks, this.closed, second);
  }

  /** The first second of the timeline that reaches a position. */
  private secondAt(position: number): number {
    let [low, high] = [0, this.duration];
    for (let i = 0; i < 30; i++) {
      const middle = (low + high) / 2;
      if (this.positionAt(middle) < position) low = middle;
      else high = middle;
    }
    return high;
  }

  /** The anchors of the frames of a film. */
  frames(rate: number): Anchor[] {
    if (!this.timed) return this.steps(Math.max(Math.round(rate * this.seconds), 2));
    const timings = this.page.pins.map(keyframeOf);
    const seconds = frameTimes(timings, this.closed, frameCount(timings, this.closed, rate));
    return seconds.map((second) => this.anchorAt(this.positionAt(second)));
  }

  /** Play the walk until `stop`; back and forth if it is not closed. */
  async play(): Promise<void> {
    this.playing = true;
    let last = performance.now();
    let forward = true;
    let second = this.at >= 1 ? 0 : this.secondAt(this.at);
    while (this.playing && this.curve) {
      const now = await new Promise<number>(requestAnimationFrame);
      const total = this.duration;
      second += ((now - last) / 1000) * (forward ? 1 : -1);
      last = now;
      if (this.closed || this.method === "spiral") second %= total;
      else if (second >= total || second <= 0) forward = second <= 0;
      second = Math.min(Math.max(second, 0), total);
      await this.go(this.positionAt(second));
    }
  }

  stop(): void {
    this.playing = false;
  }

  /** Whether the large image belongs to the walk. */
  private get shown(): boolean {
    return this.page.shown?.anchor.name === ON_THE_WALK;
  }

  link(): LinkState {
    const usual = defaultBlend(this.page.run.entry);
    const shared = this.method !== "drawn"; // a stroke does not fit into a link
    return { method: this.method === usual || !shared ? undefined : this.method, loop: this.closed, at: this.shown || this.fromLink ? this.at : undefined };
  }

  follow(link: LinkState): void {
    this.stop();
    this.method = METHODS.find((method) => method === link.method) ?? defaultBlend(this.page.run.entry);
    this.closed = link.loop ?? false;
    this.at = link.at ?? 0;
    this.fromLink = false;
  }

  private async compute(): Promise<Curve | null> {
    const { run, pins } = this.page;
    const dim = run.entry.dim;
    const result = this.direct(pins) ?? (this.method === "geodesic" && pins.length > 1 ? await this.geodesics(pins) : null);
    if (!result || !this.constantRate) return result;
    const z = sample(result, PACED);
    const images = await run.decode(z, PACED, "pace", this.labels(result, PACED));
    return images && dim ? steady(result, changes(images)) : result;
  }

  /** The curves that need neither server nor precomputed files. */
  private direct(pins: Anchor[]): Curve | null {
    const { run } = this.page;
    const dim = run.entry.dim;
    const plane = this.plane;
    if (plane) return overChart(plane, dim, run.chart.inverse.inverseAll);
    if (pins.length < 2 || this.method === "geodesic" || this.method === "drawn" || this.method === "spiral") return null;
    const points = stack(pins.map((pin) => this.latentOf(pin)));
    if (this.method === "spline") return spline(points, dim, { closed: this.closed, norms: defaultBlend(run.entry) === "slerp" });
    return this.closed ? loop(points, dim, this.method) : curve(points, dim, this.method);
  }

  private async geodesics(pins: Anchor[]): Promise<Curve> {
    const { run } = this.page;
    const moved = pins.map((pin) => (Object.keys(keyframeOf(pin).edits).length ? { ...pin, z: this.latentOf(pin), row: null } : pin));
    const anchors = this.closed ? [...moved, moved[0]] : moved;
    const segments = [];
    for (let i = 0; i + 1 < anchors.length; i++) segments.push(await run.geodesic(anchors[i], anchors[i + 1]));
    const dim = run.entry.dim;
    const rows = segments.flatMap((segment, i) => {
      const count = segment.length / dim - (i + 1 < segments.length ? 1 : 0); // a segment starts where the one before it ends
      return Array.from({ length: count }, (_, j) => segment.subarray(j * dim, (j + 1) * dim));
    });
    let end = 0;
    const marks = segments.map((segment) => (end += segment.length / dim - 1) / (rows.length - 1));
    return curve(stack(rows), dim, "lerp", undefined, [0, ...marks]);
  }

  /** The curve in the plane of the chart, for a drawn path or a spiral; otherwise null. */
  private readonly plane = $derived.by((): Curve | null => {
    const { run, chosen, pins } = this.page;
    if (this.method === "drawn") return this.stroke && freehand(this.stroke);
    if (this.method !== "spiral") return null;
    const [left, bottom, right, top] = run.chart.site.box;
    const [x, y] = chosen === null ? [(left + right) / 2, (bottom + top) / 2] : run.positionOf(pins[chosen]);
    return placed(spiral({ turns: TURNS, extent: 1 }), x, y, Math.min(right - left, top - bottom) / 3);
  });

  private fail(error: Error): void {
    this.problem = error.message;
    this.curve = this.path = this.strip = null;
    this.stop();
  }
}
