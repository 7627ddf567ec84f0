/** The sliders: how far the chosen anchor is moved along each direction, and which attributes are held constant. */

import { SvelteMap } from "svelte/reactivity";
import type { DirectionEntry } from "../contract";
import type { Images } from "../types";
import { effects, move, orthogonalTo, stack, stepOf, type Direction } from "../latent";
import { meanChange, subset } from "../media";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import { readVector, vectorText, type Anchor } from "./anchor";

const BATCH = 12; // samples that are moved together
const END = 2; // standard deviations to the ends of a slider without an evaluated range
const STEP = 0.1; // of an amount
const STOP = 0.6; // standard deviations that a slider is held at the end of its range
const DECODED = 16; // images at a time

/** A direction with a slider: of the run, of a latent dimension, or created in the page. */
export interface Slider extends Direction {
  title: string;
  kind: DirectionEntry["kind"] | "dimension" | "created";
  site: DirectionEntry | null;
}

/** What a slider does to the chosen anchor: the images at both ends, and how far they differ. */
export interface Ends {
  images: Images; // of the low end and the high end
  effect: number; // mean change of a pixel from one end to the other, from 0 to 1
}

/** The predictions of the run's classifier for the image of an anchor. */
interface Predictions {
  anchor: Anchor;
  values: [string, number][];
}

export class Sliders {
  readonly amounts = new SvelteMap<string, number>(); // not an object: a class may be called “constructor”
  held = $state<string[]>([]);
  created = $state.raw<Slider[]>([]);
  first = $state.raw<string[]>([]); // names of the sliders that a link moves, which come first in the list
  together = $state(false); // also move samples
  seed = $state(1);
  batch = $state.raw<Images | null>(null);
  predictions = $state.raw<Predictions | null>(null); // for the image that was classified last
  readonly ends = new SvelteMap<string, Ends>(); // by the name of a slider
  before = $state.raw<Images | null>(null); // the image of the chosen anchor
  private measuring = 0;
  private classifying = false;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  readonly all = $derived.by((): Slider[] => [...this.page.run.sliders, ...this.created]);

  /** Directions with a nonzero amount, orthogonal to the attributes that are held constant. */
  readonly turned = $derived.by((): { slider: Slider; amount: number; direction: Direction }[] => {
    const amountOf = (slider: Slider) => this.amounts.get(slider.name) ?? 0;
    const result = this.all.filter((slider) => amountOf(slider));
    return result.map((slider) => ({ slider, amount: amountOf(slider), direction: this.adjusted(slider) }));
  });

  get moved(): boolean {
    return this.turned.length > 0;
  }

  /** The direction made orthogonal to the attributes held constant; unchanged if nothing would be left. */
  adjusted(slider: Slider): Direction {
    try {
      return this.orthogonal(slider);
    } catch {
      return slider; // the user was notified when this happened
    }
  }

  /** The chosen anchor, moved by all sliders. */
  readonly result = $derived.by((): Anchor => {
    const subject = this.page.subject;
    if (!this.turned.length) return subject;
    const moves = this.turned.map(({ slider, amount }) => `${slider.title} ${amount.toFixed(1)}`);
    return { z: move(subject.z, this.turned), row: null, name: `${subject.name}'`, about: `${subject.name || subject.about}, ${moves.join(", ")}` };
  });

  set(name: string, amount: number): void {
    this.amounts.set(name, amount);
    this.show();
  }

  /** An amount of the slider's input: it stops at the ends of the evaluated range before it goes beyond. */
  softStop(slider: Slider, amount: number): number {
    const [low, high] = slider.site?.range ?? [-Infinity, Infinity];
    const end = amount > high ? high : amount < low ? low : amount;
    return Math.abs(amount - end) < STOP ? Math.round(end / STEP) * STEP : amount;
  }

  /** The amounts at the ends of a slider. */
  endsOf(slider: Slider): [number, number] {
    const [low, high] = slider.site?.range ?? [-END, END];
    return [low < 0 ? low : -END, high > 0 ? high : END];
  }

  /** Decode the ends of these sliders; a newer call cancels an older one. */
  async measure(sliders: Slider[]): Promise<void> {
    const ticket = ++this.measuring;
    const { run, subject } = this.page;
    const label = run.labelOf(subject);
    const before = await run.decode(subject.z, 1, undefined, label);
    if (ticket !== this.measuring) return;
    this.before = before;
    for (let i = 0; i < sliders.length; i += DECODED / 2) {
      const part = sliders.slice(i, i + DECODED / 2);
      const z = part.flatMap((slider) => this.endsOf(slider).map((amount) => move(subject.z, [{ direction: slider, amount }])));
      const images = await run.decode(stack(z), z.length, undefined, label);
      if (ticket !== this.measuring || !images) return;
      part.forEach((slider, j) => {
        const pair = subset(images, 2 * j, 2);
        this.ends.set(slider.name, { images: pair, effect: meanChange(pair) });
      });
    }
  }

  /** The anchors from the chosen one to the moved one, in n equal steps. */
  steps(n: number): Anchor[] {
    const { subject } = this.page;
    const { label, about } = this.result;
    return Array.from({ length: n }, (_, i) => {
      const share = i / Math.max(n - 1, 1);
      const z = move(subject.z, this.turned.map((item) => ({ ...item, amount: item.amount * share })));
      return { z, row: null, name: "edit", about, label: label ?? this.page.run.labelOf(subject) };
    });
  }

  toggle(name: string): void {
    this.held = this.held.includes(name) ? this.held.filter((item) => item !== name) : [...this.held, name];
    try {
      for (const { slider } of this.turned) this.orthogonal(slider);
    } catch (error) {
      this.page.announcement = (error as Error).message;
    }
    this.show();
  }

  reset(): void {
    this.amounts.clear();
    this.predictions = null;
    this.held = [];
    this.created = [];
    this.show();
  }

  clearAmounts(): void {
    this.amounts.clear();
    this.predictions = null;
    this.show();
  }

  /** Show the edited anchor, and the moved samples if they are enabled. */
  show(): void {
    void this.page.show(this.page.edited);
    if (this.together) void this.showBatch();
  }

  /** Classify the moved image, one at a time; the last one is always classified. */
  async classify(): Promise<void> {
    if (this.classifying) return;
    this.classifying = true;
    for (let shown = this.page.shown; this.moved && shown?.images && !shown.coarse && shown.anchor === this.result && shown.anchor !== this.predictions?.anchor; shown = this.page.shown) {
      const result = await shown.run.classify(shown.images);
      if (!result) break;
      this.predictions = { anchor: shown.anchor, values: result };
    }
    this.classifying = false;
  }

  async showBatch(): Promise<void> {
    const { run } = this.page;
    const moved = move(run.sample(BATCH, this.seed), this.turned);
    const result = await run.decode(moved, BATCH, "batch");
    if (result) this.batch = result;
  }

  /** Expected change of every other probe for one standard deviation, the largest side effect first. */
  effects(slider: Slider): [string, number][] {
    const { probes } = this.page.run;
    if (!probes) return [];
    const from = this.page.subject.z;
    const [raw, adjusted] = [effects(probes, slider, from), effects(probes, this.adjusted(slider), from)];
    const others = Object.keys(raw).filter((name) => name !== slider.name);
    return others.sort((a, b) => Math.abs(raw[b]) - Math.abs(raw[a])).map((name) => [name, adjusted[name]]);
  }

  /** Add a direction created in the page under a unique name. */
  add(direction: Direction): void {
    const used = new Set(this.all.map((slider) => slider.name));
    let name = direction.name;
    for (let i = 2; used.has(name); i++) name = `${direction.name} ${i}`;
    this.created = [...this.created, { ...direction, name, title: name, kind: "created", site: null }];
    this.page.announcement = `Created the direction ${name}`;
  }

  remove(name: string): void {
    this.created = this.created.filter((slider) => slider.name !== name);
    this.set(name, 0);
  }

  link(): LinkState {
    const amounts = Object.fromEntries([...this.amounts].filter(([, amount]) => amount));
    const created = Object.fromEntries(this.created.map((slider) => [slider.name, vectorText(stepOf(slider))]));
    return {
      amounts: Object.keys(amounts).length ? amounts : undefined,
      held: this.held.length ? this.held : undefined,
      created: this.created.length ? created : undefined,
    };
  }

  follow(link: LinkState): void {
    const dim = this.page.run.entry.dim;
    this.created = Object.entries(link.created ?? {}).flatMap(([name, text]) => {
      const step = readVector(text);
      if (!step || step.length !== dim) return [];
      const std = Math.hypot(...step) || 1;
      const vector = step.map((value) => value / std);
      return [{ name, title: name, kind: "created" as const, vector, std, site: null }];
    });
    this.amounts.clear();
    for (const [name, amount] of Object.entries(link.amounts ?? {})) this.amounts.set(name, amount);
    this.first = [...this.amounts.keys()];
    this.held = link.held ?? [];
  }

  private orthogonal(slider: Slider): Direction {
    const run = this.page.run;
    const others = this.held.filter((name) => name !== slider.name);
    const normals = others.flatMap((name) => {
      const vector = run.normalOf(name);
      return vector ? [{ name, vector }] : [];
    });
    return !normals.length || slider.kind === "dimension" ? slider : orthogonalTo(slider, normals, run.std);
  }
}
