/** The walk through the pinned places: its curve, its strip of pictures, and where on it one is. */

import type { Pictures } from "../contract";
import { at as along, changes, curve, freehand, loop, overChart, placed, sample, spiral, spline, stack, steady, usualBlend, type Curve } from "../latent";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import type { Spot } from "./spot";

export const WAYS = ["lerp", "slerp", "spline", "geodesic", "drawn", "spiral"] as const;
export type Way = (typeof WAYS)[number];

const TILES = 11; // pictures of the strip
const TRACED = 60; // places of the path on the map
const PACED = 120; // pictures that an even pace is measured with
const TURNS = 3; // of a spiral
const ON_THE_WAY = "on the way";

export class Walk {
  way = $state<Way>("slerp");
  closed = $state(false);
  even = $state(false);
  playing = $state(false);
  seconds = $state(4);
  at = $state(0);
  stroke = $state.raw<Float32Array | null>(null); // places of a path drawn on the map
  curve = $state.raw<Curve | null>(null);
  path = $state.raw<Float32Array | null>(null); // its places on the map
  strip = $state.raw<Pictures | null>(null);
  far = $state.raw<number[]>([]); // of each picture of the strip
  problem = $state("");
  working = $state(false);
  asked = $state(false); // a link leads to this moment of the walk: it is shown as soon as there is a curve
  private readonly page: Page;
  private ticket = 0;

  constructor(page: Page) {
    this.page = page;
    this.way = usualBlend(page.run.entry);
  }

  /** Make the curve, its path and its strip anew; what a newer call overtakes is left. */
  async remake(): Promise<void> {
    const ticket = ++this.ticket;
    const stale = () => ticket !== this.ticket;
    this.working = true;
    try {
      const found = await this.made();
      if (stale()) return;
      this.problem = "";
      this.curve = found;
      if (!found) {
        this.path = this.strip = null;
        this.playing = false;
        return;
      }
      if (this.asked) void this.go(this.at).finally(() => (this.asked = false));
      this.path = this.plane?.stops ?? (await this.page.run.placesOf(sample(found, TRACED)));
      const z = sample(found, TILES);
      const strip = await this.page.run.decode(z, TILES, "strip");
      const far = await this.page.run.farOf(z);
      if (stale() || !strip) return;
      this.strip = strip;
      this.far = far;
    } catch (error) {
      if (!stale()) this.fail(error as Error);
    } finally {
      if (!stale()) this.working = false;
    }
  }

  /** Go to this moment of the walk, and show what is there. */
  async go(at: number): Promise<void> {
    this.at = Math.min(Math.max(at, 0), 1);
    if (!this.curve) return;
    await this.page.hold(this.spotAt(this.at));
  }

  spotAt(at: number): Spot {
    return { z: along(this.curve!, [at]), row: null, name: ON_THE_WAY, about: `${Math.round(at * 100)} % of the way` };
  }

  /** Walk by the clock until told otherwise; to and fro where the walk does not close. */
  async play(): Promise<void> {
    this.playing = true;
    let last = performance.now();
    let forward = true;
    if (this.at >= 1) this.at = 0;
    while (this.playing && this.curve) {
      const now = await new Promise<number>(requestAnimationFrame);
      const step = (now - last) / 1000 / this.seconds;
      last = now;
      let next: number = this.at + (forward ? step : -step);
      if (this.closed || this.way === "spiral") next %= 1;
      else if (next >= 1 || next <= 0) forward = next <= 0;
      await this.go(next);
    }
  }

  stop(): void {
    this.playing = false;
  }

  /** Whether the large picture is of the walk. */
  private get shown(): boolean {
    return this.page.held?.spot.name === ON_THE_WAY;
  }

  link(): LinkState {
    const usual = usualBlend(this.page.run.entry);
    const shared = this.way !== "drawn"; // a stroke is too long for a link
    return { way: this.way === usual || !shared ? undefined : this.way, loop: this.closed, at: this.shown || this.asked ? this.at : undefined };
  }

  follow(said: LinkState): void {
    this.stop();
    this.way = WAYS.find((way) => way === said.way) ?? usualBlend(this.page.run.entry);
    this.closed = said.loop ?? false;
    this.at = said.at ?? 0;
    this.asked = false;
  }

  private async made(): Promise<Curve | null> {
    const { run, pins } = this.page;
    const dim = run.entry.dim;
    const found = this.bare(pins) ?? (this.way === "geodesic" && pins.length > 1 ? await this.bent(pins) : null);
    if (!found || !this.even) return found;
    const z = sample(found, PACED);
    const pictures = await run.decode(z, PACED, "pace");
    return pictures && dim ? steady(found, changes(pictures)) : found;
  }

  /** The ways that need no one's help. */
  private bare(pins: Spot[]): Curve | null {
    const { run } = this.page;
    const dim = run.entry.dim;
    const plane = this.plane;
    if (plane) return overChart(plane, dim, run.chart.inverse.inverseAll);
    if (pins.length < 2 || this.way === "geodesic" || this.way === "drawn" || this.way === "spiral") return null;
    const stops = stack(pins.map((pin) => pin.z));
    if (this.way === "spline") return spline(stops, dim, { closed: this.closed, norms: usualBlend(run.entry) === "slerp" });
    return this.closed ? loop(stops, dim, this.way) : curve(stops, dim, this.way);
  }

  private async bent(pins: Spot[]): Promise<Curve> {
    const { run } = this.page;
    const stops = this.closed ? [...pins, pins[0]] : pins;
    const legs = [];
    for (let i = 0; i + 1 < stops.length; i++) legs.push(await run.geodesic(stops[i], stops[i + 1]));
    const dim = run.entry.dim;
    const rows = legs.flatMap((leg, i) => {
      const count = leg.length / dim - (i + 1 < legs.length ? 1 : 0); // the last of a leg begins the next
      return Array.from({ length: count }, (_, j) => leg.subarray(j * dim, (j + 1) * dim));
    });
    return curve(stack(rows), dim, "lerp");
  }

  /** The way as a curve of the chart, where it is one: drawn by hand, or a spiral around the chosen place. */
  private get plane(): Curve | null {
    const { run, chosen, pins } = this.page;
    if (this.way === "drawn") return this.stroke && freehand(this.stroke);
    if (this.way !== "spiral") return null;
    const [left, bottom, right, top] = run.chart.site.box;
    const [x, y] = chosen === null ? [(left + right) / 2, (bottom + top) / 2] : run.placeOf(pins[chosen]);
    return placed(spiral({ turns: TURNS, extent: 1 }), x, y, Math.min(right - left, top - bottom) / 3);
  }

  private fail(error: Error): void {
    this.problem = error.message;
    this.curve = this.path = this.strip = null;
    this.stop();
  }
}
