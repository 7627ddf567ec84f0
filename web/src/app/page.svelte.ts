/** The state of the page: what is pinned, where one looks, and how it is all written in a link. */

import type { Column, Pictures } from "../contract";
import { parted } from "../data";
import { Bench } from "./bench.svelte";
import { Knobs } from "./knobs.svelte";
import { readLink, writeLink, type LinkState } from "./link";
import type { RunState } from "./run.svelte";
import { letter, readSpot, spotText, type Spot } from "./spot";
import { Taste } from "./taste.svelte";
import { Walk } from "./walk.svelte";

export type Panel = "point" | "walk" | "knobs" | "bench" | "taste" | "notes" | "training";
export type Tool = "move" | "lasso" | "draw";

/** What the large picture shows, and what is known of it. */
export interface Here {
  run: RunState;
  spot: Spot;
  pictures: Pictures | null;
  place: [number, number];
  far: number;
  cover: number; // of its place on the map; 1 where that says nothing of it
  near: number[]; // rows of the nearest real images
}

export class Page {
  readonly runs: RunState[];
  active = $state(0);
  theme = $state<"light" | "dark">(darkWanted() ? "dark" : "light");
  panel = $state<Panel>("point");
  colour = $state("");
  filter = $state("");
  imagine = $state(false);
  tool = $state<Tool>("move");
  note = $state("");
  pins = $state.raw<Spot[]>([]);
  chosen = $state<number | null>(null); // the pin that the knobs turn
  hovered = $state.raw<Here | null>(null); // under the pointer
  held = $state.raw<Here | null>(null); // what is shown while the pointer is elsewhere
  gone = $state(""); // what to know while the server is away
  said = $state(""); // for those who cannot see what changed
  view = $state.raw<[number, number, number] | null>(null); // a view that a link asks for
  landed = $state.raw<Pictures | null>(null); // the last image that was dropped
  across = $state.raw<Pictures | null>(null); // the same image by the other run
  private following = $state<string | null>(null); // a link whose state has not all come yet
  private inside = false; // the pointer is over a map
  readonly walk: Walk;
  readonly knobs: Knobs;
  readonly bench: Bench;
  readonly taste: Taste;

  constructor(runs: RunState[]) {
    this.runs = runs;
    this.walk = new Walk(this);
    this.knobs = new Knobs(this);
    this.bench = new Bench(this);
    this.taste = new Taste(this);
    this.colour = usualColour(this.run);
  }

  get run(): RunState {
    return this.runs[this.active];
  }

  get here(): Here | null {
    return this.hovered ?? this.held;
  }

  /** The place that the knobs start from: the chosen pin, or the middle of the data. */
  readonly subject = $derived.by((): Spot => {
    const pin = this.chosen === null ? undefined : this.pins[this.chosen];
    return pin ?? { z: this.run.typical, row: null, name: "middle", about: "the middle of the data" };
  });

  /** The code under a place of the map, decoded as soon as the pointer rests no longer than a frame. */
  async hover(run: RunState, x: number, y: number, row: number | null = null): Promise<void> {
    const spot = row === null ? placeSpot(run, x, y) : run.spot(row);
    const cover = row === null ? run.cover(x, y) : 1;
    this.inside = true;
    const found = await this.look(run, spot, [x, y], cover, "hover");
    if (found && this.inside) this.hovered = found;
  }

  /** Pin a real image. */
  async pinRow(row: number): Promise<void> {
    this.pin(await this.run.exact(row));
  }

  /** Pin two real images that lie far from each other on the map. */
  async pinApart(): Promise<void> {
    const { places, site } = this.run.chart;
    const [left, bottom, right, top] = site.box;
    const [x, y] = [(left + right) / 2, (bottom + top) / 2];
    let first = 0;
    for (let row = 1; row < Math.min(places.length / 2, 2000); row++) if (apart(places, row, x, y) > apart(places, first, x, y)) first = row;
    const [fromX, fromY] = [places[2 * first], places[2 * first + 1]];
    let second = first ? 0 : 1;
    for (let row = 0; row < Math.min(places.length / 2, 2000); row++) if (apart(places, row, fromX, fromY) > apart(places, second, fromX, fromY)) second = row;
    await this.pinBoth(first, second);
  }

  /** Pin two real images and nothing else. */
  async pinBoth(...rows: [number, number]): Promise<void> {
    const spots = await Promise.all(rows.map((row) => this.run.exact(row)));
    this.pins = spots.map((spot, i) => ({ ...spot, name: letter(i) }));
    this.choose(1);
  }

  /** Find the place of an image of one's own, and pin it. */
  async land(picture: Pictures, name: string): Promise<void> {
    const z = await this.run.encode(picture);
    this.landed = picture;
    this.pin({ z, row: null, name: "", about: name });
  }

  /** What the other run makes of the image nearest to the place one looks at. */
  async compare(here: Here): Promise<void> {
    const other = this.runs.find((run) => run !== here.run);
    const row = here.spot.row ?? here.near[0];
    if (!other || row === undefined || !this.alike()) return;
    const same = other.rowOf(here.run.table.index[row]);
    if (same === undefined) return;
    const spot = other.spot(same);
    const found = await other.decode(spot.z, 1, "across", other.labelOf(spot));
    if (found) this.across = found;
  }

  /** What colours the map of a run: what is chosen, or the usual where the run knows nothing of that. */
  columnOf(run: RunState): Column | null {
    const named = (name: string) => run.entry.columns.find((column) => column.name === name);
    return named(this.colour) ?? named(usualColour(run)) ?? null;
  }

  /** Whether both runs are of the same images, so that a number means the same in both. */
  alike(): boolean {
    return new Set(this.runs.map((run) => run.entry.fingerprint)).size === 1;
  }

  leave(): void {
    this.inside = false;
    this.hovered = null;
  }

  /** Show a place in the large picture until another is. */
  async hold(spot: Spot): Promise<void> {
    const run = this.run;
    const found = await this.look(run, spot, run.placeOf(spot), 1, "held");
    if (found && run === this.run) this.held = found;
  }

  pin(spot: Spot): void {
    this.pins = [...this.pins, { ...spot, name: letter(this.nextLetter()) }];
    this.choose(this.pins.length - 1);
    this.said = `Pinned ${this.pins.at(-1)!.name}: ${spot.about}`;
  }

  /** Keep the points inside a lasso as a group. */
  lasso(rows: Int32Array): void {
    this.tool = "move";
    if (!this.bench.gather(rows)) {
      this.said = "No point lies inside the lasso";
      return;
    }
    this.panel = "bench";
  }

  /** Walk along a line drawn on the map. */
  trace(places: Float32Array): void {
    this.tool = "move";
    this.walk.stroke = places;
    this.walk.way = "drawn";
    this.panel = "walk";
  }

  choose(index: number | null): void {
    this.chosen = index;
    this.knobs.show();
  }

  unpin(index: number): void {
    this.said = `Removed ${this.pins[index].name}`;
    this.pins = this.pins.filter((_, i) => i !== index);
    this.choose(this.pins.length ? Math.min(index, this.pins.length - 1) : null);
  }

  clear(): void {
    this.pins = [];
    this.choose(null);
  }

  /** Change run in a comparison: what was pinned belongs to the other space, so images go along and places do not. */
  activate(index: number): void {
    if (index === this.active) return;
    const rows = this.pins.flatMap((pin) => (pin.row === null || !this.alike() ? [] : [this.runs[this.active].table.index[pin.row]]));
    this.active = index;
    this.colour = this.columnOf(this.run)?.name ?? "";
    this.hovered = null;
    this.view = null; // the other map tells its own
    this.knobs.reset();
    this.bench.clear();
    const found = rows.flatMap((number) => this.run.rowOf(number) ?? []);
    this.pins = found.map((row, i) => ({ ...this.run.spot(row), name: letter(i) }));
    this.choose(this.pins.length ? 0 : null);
  }

  /** The page as a link; while one is being followed, that one: what it asks for is not lost on the way. */
  link(): string {
    if (this.following !== null) return this.following;
    const run = this.run;
    const state: LinkState = {
      chart: run.chart.site.name === run.entry.charts[0]?.name ? undefined : run.chart.site.name,
      colour: this.colour === usualColour(run) ? undefined : this.colour,
      filter: this.filter,
      view: this.view ?? undefined,
      panel: this.panel === "point" ? undefined : this.panel,
      pins: this.pins.map(spotText),
      told: run.told || undefined,
      prior: run.fromOwn ? "own" : undefined,
      imagine: this.imagine,
      note: this.note,
      run: this.active || undefined,
      ...this.walk.link(),
      ...this.knobs.link(),
      ...this.bench.link(),
    };
    return writeLink(state);
  }

  /** Take the state that a link says; what it is silent about is as on a new page. */
  async follow(hash: string): Promise<void> {
    const link = hash.replace(/^#/, "");
    this.following = link;
    try {
      await this.take(readLink(link), () => this.following !== link);
    } finally {
      if (this.following === link) this.following = null;
    }
  }

  private async take(said: LinkState, overtaken: () => boolean): Promise<void> {
    this.active = said.run === 1 && this.runs.length > 1 ? 1 : 0;
    const run = this.run;
    await run.show(said.chart ?? run.entry.charts[0]?.name);
    if (overtaken()) return;
    this.colour = run.entry.columns.some((column) => column.name === said.colour) ? said.colour! : usualColour(run);
    this.filter = said.filter ?? "";
    this.view = said.view ?? null;
    this.panel = (said.panel as Panel) ?? "point";
    this.imagine = said.imagine ?? false;
    this.note = said.note ?? "";
    run.fromOwn = said.prior === "own";
    run.told = Math.min(said.told ?? 0, Math.max(run.entry.told.length - 1, 0));
    this.walk.follow(said);
    this.knobs.follow(said);
    this.bench.follow(said);
    await run.ready;
    if (overtaken()) return;
    this.pins = (said.pins ?? []).flatMap((text, i) => {
      const found = readSpot(text, run.entry.dim);
      if (!found || ("row" in found && found.row >= run.entry.count)) return [];
      const spot = "row" in found ? run.spot(found.row) : { z: found.z, row: null, about: "a place from a link" };
      return [{ ...spot, name: letter(i) }];
    });
    this.choose(this.pins.length ? this.pins.length - 1 : null);
    this.walk.asked = said.at !== undefined;
  }

  private async look(run: RunState, spot: Spot, place: [number, number], cover: number, stream: string): Promise<Here | null> {
    const asked = run.problem ? null : run.decode(spot.z, 1, stream, run.labelOf(spot));
    const near = await run.near(spot.z, stream);
    const pictures = await asked;
    if ((asked && !pictures) || !near) return null;
    return { run, spot, pictures, place, cover, far: near.far, near: near.rows };
  }

  private nextLetter(): number {
    const used = new Set(this.pins.map((pin) => pin.name));
    let index = 0;
    while (used.has(letter(index))) index += 1;
    return index;
  }
}

export function placeSpot(run: RunState, x: number, y: number): Spot {
  return { z: run.lift(x, y), row: null, name: "here", about: "a place on the map" };
}

const usual = new WeakMap<object, string>(); // of each run, reckoned once

/** What colours the map on a new page: the label, or what parts the places of its first chart most. */
export function usualColour({ entry, table }: RunState): string {
  const { columns, charts } = entry;
  if (columns.some(({ name }) => name === "label")) return "label";
  let found = usual.get(entry);
  if (found === undefined) {
    const places = charts.length ? table.places(charts[0]) : new Float32Array();
    const share = ({ name, kind }: Column) => parted(kind === "flag" ? table.flag(name) : table.classOf(name), places);
    const told = columns.filter(({ name, kind }) => kind !== "number" && name !== "split");
    const ranked = told.map((column) => ({ column, share: share(column) })).sort((a, b) => b.share - a.share);
    usual.set(entry, (found = (ranked[0]?.column ?? columns[0])?.name ?? ""));
  }
  return found;
}

function apart(places: Float32Array, row: number, x: number, y: number): number {
  return Math.hypot(places[2 * row] - x, places[2 * row + 1] - y);
}

function darkWanted(): boolean {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}
