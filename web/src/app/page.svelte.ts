/** The state of the page: pins, view and panels, and how a link stores them. */

import type { Column } from "../contract";
import type { Images } from "../types";
import { select, type Selection } from "../data";
import { readImage } from "../media";
import { Arithmetic } from "./arithmetic.svelte";
import { defaultColour, defaultLayer } from "./defaults";
import { History } from "./history.svelte";
import { keyframeText, readKeyframe } from "./keyframe";
import type { Snapshot } from "./laidChart";
import { Sliders } from "./sliders.svelte";
import { readLink, writeLink, type LinkState } from "./link";
import { Refinement } from "./refine";
import type { RunState } from "./run.svelte";
import { letter, readAnchor, anchorText, type Anchor } from "./anchor";
import { Mix } from "./mix.svelte";
import { Preference } from "./preference.svelte";
import { concrete, farApart, relativeAnchor } from "./relative";
import { Spaces } from "./spaces.svelte";
import { Stories } from "./story.svelte";
import { Walk } from "./walk.svelte";

export type Panel = "map" | "point" | "data" | "walk" | "sliders" | "styles" | "arithmetic" | "preference" | "training";
export type Tool = "move" | "lasso" | "draw";
export const LAYERS = ["points", "images", "decoded"] as const;
export type Layer = (typeof LAYERS)[number];

/** The latent that the large image shows, with its decoded image and neighbors. */
export interface Here {
  run: RunState;
  anchor: Anchor;
  images: Images | null;
  coarse: boolean; // a preview of fewer pixels
  position: [number, number];
  distance: number; // relative distance from the data
  coverage: number; // data coverage at its position on the map
  nearest: number[]; // rows of the nearest real images
}

export class Page {
  readonly runs: RunState[];
  active = $state(0);
  theme = $state<"light" | "dark">(darkWanted() ? "dark" : "light");
  panel = $state<Panel>("point");
  colour = $state("");
  filter = $state("");
  layer = $state<Layer>("images"); // what the map shows
  tool = $state<Tool>("move");
  pins = $state.raw<Anchor[]>([]);
  chosen = $state<number | null>(null); // the pin that the sliders start from
  hovered = $state.raw<Here | null>(null); // under the pointer
  shown = $state.raw<Here | null>(null); // shown while the pointer is not over the map
  offline = $state(""); // message while the server does not answer
  announcement = $state(""); // for screen readers
  view = $state.raw<[number, number, number] | null>(null); // a view requested by a link
  ownImage = $state.raw<Images | null>(null); // the last image dropped on the page
  across = $state.raw<Images | null>(null); // the same image reconstructed by the other run
  snapshots = $state.raw<Snapshot[]>([]); // of the checkpoints of a training that this visit has seen
  presenting = $state(false); // larger text and images, without tools
  toast = $state<{ text: string; undo: boolean } | null>(null);
  readonly history: History;
  private readonly refinement = new Refinement<Here>();
  private known = new Map<string, Anchor>(); // pins of this visit by their text in a link, which holds less
  private following = $state<string | null>(null); // a link that is still being applied
  private inside = false; // the pointer is over a map
  readonly walk: Walk;
  readonly sliders: Sliders;
  readonly arithmetic: Arithmetic;
  readonly preference: Preference;
  readonly stories: Stories;
  readonly spaces = new Spaces(this);
  readonly mix = new Mix(this);

  constructor(runs: RunState[], history = new History()) {
    this.runs = runs;
    this.history = history;
    this.walk = new Walk(this);
    this.sliders = new Sliders(this);
    this.arithmetic = new Arithmetic(this);
    this.preference = new Preference(this);
    this.stories = new Stories(this);
    this.colour = defaultColour(this.run);
    this.layer = defaultLayer(this.run);
  }

  get run(): RunState {
    return this.runs[this.active];
  }

  get here(): Here | null {
    return this.hovered ?? this.shown;
  }

  /** The anchor that the sliders start from: the chosen pin, or a real image of the densest region. */
  readonly subject = $derived.by((): Anchor => {
    const pin = this.chosen === null ? undefined : this.pins[this.chosen];
    if (pin?.keyframe && Object.keys(pin.keyframe.edits).length) return { ...pin, z: this.walk.latentOf(pin), row: null, label: this.run.labelOf(pin) };
    return pin ?? { ...this.run.anchor(this.run.densest), name: "" };
  });

  private readonly styling = $derived(this.panel === "styles");

  /** The subject as the page shows it: with mixed styles, or moved by the sliders. */
  get edited(): Anchor {
    return this.sliders.moved && !this.styling ? this.sliders.result : this.mix.result;
  }

  /** Decode the latent under a position of the map. */
  async hover(run: RunState, x: number, y: number, row: number | null = null): Promise<void> {
    const anchor = row === null ? anchorUnder(run, x, y) : run.anchor(row);
    this.inside = true;
    await this.look(run, anchor, [x, y], "hover", (result) => {
      if (this.inside) this.hovered = result;
    });
  }

  /** Pin a real image. */
  async pinRow(row: number): Promise<void> {
    this.pin(await this.run.exact(row));
  }

  /** Pin two real images that are far apart on the map. */
  async pinApart(): Promise<void> {
    if (this.run.table.count < 2) {
      this.toast = { text: "This run has a single point, so there is no walk.", undo: false };
      return;
    }
    const [first, second] = farApart(this.run);
    await this.pinBoth(first, second);
  }

  /** Replace all pins by two real images. */
  async pinBoth(...rows: [number, number]): Promise<void> {
    const anchors = await Promise.all(rows.map((row) => this.run.exact(row)));
    this.pins = anchors.map((anchor, i) => ({ ...anchor, name: letter(i) }));
    this.choose(1);
  }

  /** Encode an image from the user and pin its latent. */
  async pinImage(image: Images, name: string): Promise<void> {
    const z = await this.run.encode(image);
    this.ownImage = image;
    this.pin({ z, row: null, name: "", about: name });
  }

  /** Encode the first of these image files and pin it. */
  async pinFile(files: FileList | null | undefined): Promise<void> {
    const file = files?.[0];
    if (!file || !this.run.encodes) return;
    try {
      const { width, height } = this.run.entry.image;
      await this.pinImage(await readImage(file, { width, height }), file.name);
    } catch (error) {
      this.toast = { text: (error as Error).message, undo: false };
    }
  }

  /** Decode, with the other run, the image nearest to the shown latent. */
  async compare(here: Here): Promise<void> {
    const other = this.runs.find((run) => run !== here.run);
    const row = here.anchor.row ?? here.nearest[0];
    if (!other || row === undefined || !this.alike()) return;
    const same = other.rowOf(here.run.table.index[row]);
    if (same === undefined) return;
    const anchor = other.anchor(same);
    const result = await other.decode(anchor.z, 1, "across", other.labelOf(anchor));
    if (result) this.across = result;
  }

  /** The column that colours the map of a run: the chosen one, or the default if the run lacks it. */
  columnOf(run: RunState): Column | null {
    const named = (name: string) => run.entry.columns.find((column) => column.name === name);
    return named(this.colour) ?? named(defaultColour(run)) ?? null;
  }

  private readonly selections = $derived.by(() => this.runs.map((run) => select(this.filter, run.table, run.entry.columns)));

  /** What the filter selects of a run. */
  selectionOf(run: RunState): Selection {
    return this.selections[this.runs.indexOf(run)];
  }

  /** Whether both runs use the same data set, so that image numbers match. */
  alike(): boolean {
    return new Set(this.runs.map((run) => run.entry.fingerprint)).size === 1;
  }

  leave(): void {
    this.inside = false;
    this.hovered = null;
  }

  /** Show an anchor in the large image while the pointer is not over the map. */
  async show(anchor: Anchor): Promise<void> {
    const run = this.run;
    await this.look(run, anchor, run.positionOf(anchor), "shown", (result) => {
      if (run !== this.run) return;
      this.shown = result;
      void this.sliders.classify();
    });
  }

  /** Put an anchor into the group that is being filled, while the arithmetic is open; otherwise pin it. Returns how to take it back. */
  take(anchor: Anchor): () => void {
    if (this.panel === "arithmetic" && this.arithmetic.filling) {
      this.arithmetic.toggle(anchor);
      return () => this.arithmetic.toggle(anchor);
    }
    const before = this.chosen;
    this.pin(anchor);
    const pin = this.pins.at(-1);
    return () => {
      this.pins = this.pins.filter((item) => item !== pin);
      this.choose(before);
    };
  }

  pin(anchor: Anchor): void {
    this.pins = [...this.pins, { ...anchor, name: letter(this.nextLetter()) }];
    this.choose(this.pins.length - 1);
    this.announcement = `Pinned ${this.pins.at(-1)!.name}: ${anchor.about}`;
  }

  /** Store the points inside a lasso as a group. */
  lasso(rows: Int32Array): void {
    this.tool = "move";
    if (!this.arithmetic.addGroup(rows)) {
      this.announcement = "There are no points inside the lasso";
      return;
    }
    this.panel = "arithmetic";
  }

  /** Walk along a line drawn on the map. */
  trace(positions: Float32Array): void {
    this.tool = "move";
    this.walk.stroke = positions;
    this.walk.method = "drawn";
    this.panel = "walk";
  }

  choose(index: number | null): void {
    this.chosen = index;
    this.sliders.show();
  }

  unpin(index: number): void {
    this.announcement = `Removed ${this.pins[index].name}`;
    this.pins = this.pins.filter((_, i) => i !== index);
    this.choose(this.pins.length ? Math.min(index, this.pins.length - 1) : null);
  }

  clear(): void {
    if (!this.pins.length) return;
    this.history.record(this.link()); // also if it has just changed
    const count = this.pins.length;
    this.pins = [];
    this.choose(null);
    this.toast = { text: count === 1 ? "Removed 1 pin" : `Removed ${count} pins`, undo: true };
    this.announcement = `${this.toast.text}. Control Z restores them.`;
  }

  /** Go one step back or forward. */
  async step(by: -1 | 1): Promise<void> {
    this.history.record(this.link()); // also what has just changed
    const link = this.history.step(by);
    if (link === null) return;
    this.toast = null;
    this.announcement = by < 0 ? "Undone" : "Redone";
    await this.follow(link);
  }

  /** Switch the active run of a comparison. Pinned images move along; other pins belong to the other latent space and go. */
  activate(index: number): void {
    if (index === this.active) return;
    this.known.clear();
    const rows = this.pins.flatMap((pin) => (pin.row === null || !this.alike() ? [] : [this.runs[this.active].table.index[pin.row]]));
    this.active = index;
    this.colour = this.columnOf(this.run)?.name ?? "";
    this.hovered = null;
    this.view = null; // the other map reports its own
    this.mix.reset();
    this.sliders.reset();
    this.arithmetic.clear();
    const result = rows.flatMap((number) => this.run.rowOf(number) ?? []);
    this.pins = result.map((row, i) => ({ ...this.run.anchor(row), name: letter(i) }));
    this.choose(this.pins.length ? 0 : null);
  }

  /** The state as a link. While a link is being applied, that link, so that none of it is lost. */
  link(): string {
    if (this.following !== null) return this.following;
    const run = this.run;
    const state: LinkState = {
      chart: run.chart.site.name === run.entry.charts[0]?.name ? undefined : run.chart.site.name,
      colour: this.colour === defaultColour(run) ? undefined : this.colour,
      filter: this.filter,
      view: this.view ?? undefined,
      panel: this.panel === "point" ? undefined : this.panel,
      pins: this.pins.map((pin) => {
        const text = anchorText(pin);
        this.known.set(text, pin);
        return text;
      }),
      keyframes: this.pins.some((pin) => pin.keyframe) ? this.pins.map(keyframeText) : undefined,
      label: run.label || undefined,
      prior: run.fromModelPrior ? "model" : undefined,
      layer: this.layer === defaultLayer(run) ? undefined : this.layer,
      run: this.active || undefined,
      ...this.spaces.link(),
      ...this.mix.link(),
      ...this.walk.link(),
      ...this.sliders.link(),
      ...this.arithmetic.link(),
      ...this.stories.link(),
    };
    return writeLink(state);
  }

  /** Apply a link; anything it does not set gets its default. */
  async follow(hash: string): Promise<void> {
    const link = hash.replace(/^#/, "");
    this.following = link;
    try {
      if (await this.spaces.follow(link)) return;
      await this.apply(readLink(link), () => this.following !== link);
    } finally {
      if (this.following === link) this.following = null;
    }
  }

  private async apply(requested: LinkState, overtaken: () => boolean): Promise<void> {
    const state = await this.stories.follow(requested);
    if (overtaken()) return;
    this.active = state.run === 1 && this.runs.length > 1 ? 1 : 0;
    const run = this.run;
    const link = concrete(state, run.entry);
    await run.show(link.chart ?? run.entry.charts[0]?.name).catch((error: Error) => (this.toast = { text: error.message, undo: false }));
    if (overtaken()) return;
    this.colour = run.entry.columns.some((column) => column.name === link.colour) ? link.colour! : defaultColour(run);
    this.filter = link.filter ?? "";
    this.view = link.view ?? null;
    this.panel = (link.panel as Panel) ?? "point";
    this.layer = LAYERS.find((layer) => layer === link.layer) ?? defaultLayer(run);
    run.fromModelPrior = link.prior === "model";
    run.label = Math.min(link.label ?? 0, Math.max(run.entry.classes.length - 1, 0));
    this.walk.follow(link);
    this.sliders.follow(link);
    this.arithmetic.follow(link);
    await run.ready;
    if (overtaken()) return;
    this.pins = (link.pins ?? []).flatMap((text, i) => {
      const anchor = this.known.get(text) ?? this.anchorOf(text);
      return anchor ? [{ ...anchor, name: letter(i), keyframe: readKeyframe(link.keyframes?.[i]) }] : [];
    });
    this.arithmetic.followGroups(link);
    this.mix.follow(link);
    this.choose(this.pins.length ? this.pins.length - 1 : null);
    this.walk.fromLink = link.at !== undefined;
  }

  /** The anchor that a link names; null if this run has none. */
  anchorOf(text: string): Anchor | null {
    const { run } = this;
    const result = readAnchor(text, run.entry.dim);
    if (!result) return relativeAnchor(text, run);
    if ("sample" in result) return run.numbered(result.sample);
    if ("z" in result) return { ...result, row: null, name: "", about: "a latent from a link" };
    return result.row < run.entry.count ? run.anchor(result.row) : null;
  }

  /** Decode a latent: first a preview, if the decoder is slow and has one. */
  private look(run: RunState, anchor: Anchor, position: [number, number], stream: string, use: (here: Here) => void): Promise<void> {
    return this.refinement.look(stream, run.speed.coarseFirst, (coarse) => this.decoded(run, anchor, position, stream, coarse), use);
  }

  private async decoded(run: RunState, anchor: Anchor, position: [number, number], stream: string, coarse: boolean): Promise<Here | null> {
    const decoding = run.problem ? null : run.decode(anchor.z, 1, stream, run.labelOf(anchor), coarse);
    const nearest = await run.nearest(anchor.z, stream);
    const images = await decoding;
    if ((decoding && !images) || !nearest) return null;
    return { run, anchor, images, coarse, position, coverage: run.coverageOf(anchor), distance: nearest.distance, nearest: nearest.rows };
  }

  private nextLetter(): number {
    const used = new Set(this.pins.map((pin) => pin.name));
    let index = 0;
    while (used.has(letter(index))) index += 1;
    return index;
  }
}

export function anchorUnder(run: RunState, x: number, y: number): Anchor {
  return { z: run.lift(x, y), row: null, name: "here", about: "a point on the map", coverage: run.coverage(x, y) };
}

function darkWanted(): boolean {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}
