/** The knobs: how far a place is moved along which directions, and without what else. */

import { SvelteMap } from "svelte/reactivity";
import type { Pictures, WaySite } from "../contract";
import { effects, move, stepOf, without, type Direction } from "../latent";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import { readVector, vectorText, type Spot } from "./spot";

const BATCH = 12; // samples that the knobs move together

/** A direction that one can turn: of the run, of a latent axis, or made here. */
export interface Knob extends Direction {
  title: string;
  kind: WaySite["kind"] | "axis" | "own";
  site: WaySite | null;
}

/** What the run's scorer reads of the picture of a place. */
interface Scores {
  spot: Spot;
  found: [string, number][];
}

export class Knobs {
  readonly amounts = new SvelteMap<string, number>(); // no object: a class may be called “constructor”
  without = $state<string[]>([]);
  own = $state.raw<Knob[]>([]);
  together = $state(false); // move samples beside the chosen place
  seed = $state(1);
  batch = $state.raw<Pictures | null>(null);
  scores = $state.raw<Scores | null>(null); // of the picture that was read last
  private reading = false;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  readonly all = $derived.by((): Knob[] => [...this.page.run.knobs, ...this.own]);

  /** Those that are turned, cleaned of what they should leave alone. */
  readonly turned = $derived.by((): { knob: Knob; amount: number; direction: Direction }[] => {
    const amountOf = (knob: Knob) => this.amounts.get(knob.name) ?? 0;
    const found = this.all.filter((knob) => amountOf(knob));
    return found.map((knob) => ({ knob, amount: amountOf(knob), direction: this.clean(knob) }));
  });

  get moved(): boolean {
    return this.turned.length > 0;
  }

  /** A direction with the normals of the other attributes taken out; as it is, where nothing would be left of it. */
  clean(knob: Knob): Direction {
    try {
      return this.cleaned(knob);
    } catch {
      return knob; // who took the last of it out was told so
    }
  }

  /** The place that the knobs start from, moved. */
  readonly result = $derived.by((): Spot => {
    const subject = this.page.subject;
    if (!this.turned.length) return subject;
    const words = this.turned.map(({ knob, amount }) => `${knob.title} ${amount.toFixed(1)}`);
    return { z: move(subject.z, this.turned), row: null, name: `${subject.name}'`, about: `${subject.name}, ${words.join(", ")}` };
  });

  set(name: string, amount: number): void {
    this.amounts.set(name, amount);
    this.show();
  }

  toggle(name: string): void {
    this.without = this.without.includes(name) ? this.without.filter((one) => one !== name) : [...this.without, name];
    try {
      for (const { knob } of this.turned) this.cleaned(knob);
    } catch (error) {
      this.page.said = (error as Error).message;
    }
    this.show();
  }

  reset(): void {
    this.amounts.clear();
    this.scores = null;
    this.without = [];
    this.own = [];
    this.show();
  }

  level(): void {
    this.amounts.clear();
    this.scores = null;
    this.show();
  }

  /** Show the moved place large, and the samples if they move along. */
  show(): void {
    void this.page.hold(this.result).then(() => this.readPicture());
    if (this.together) void this.showBatch();
  }

  /** Have the run's scorer read the moved picture, one at a time: the last one is always read. */
  private async readPicture(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    for (let held = this.page.held; this.moved && held?.pictures && held.spot === this.result && held.spot !== this.scores?.spot; held = this.page.held) {
      const found = await held.run.score(held.pictures);
      if (!found) break;
      this.scores = { spot: held.spot, found };
    }
    this.reading = false;
  }

  async showBatch(): Promise<void> {
    const { run } = this.page;
    const moved = move(run.sample(BATCH, this.seed), this.turned);
    const found = await run.decode(moved, BATCH, "batch");
    if (found) this.batch = found;
  }

  /** What the probes expect a knob to change by one spread, itself left out; what it would move most, uncleaned, first. */
  effects(knob: Knob): [string, number][] {
    const { probes } = this.page.run;
    if (!probes) return [];
    const from = this.page.subject.z;
    const [raw, now] = [effects(probes, knob, from), effects(probes, this.clean(knob), from)];
    const others = Object.keys(raw).filter((name) => name !== knob.name);
    return others.sort((a, b) => Math.abs(raw[b]) - Math.abs(raw[a])).map((name) => [name, now[name]]);
  }

  /** Keep a direction that was made here. */
  add(direction: Direction): void {
    const used = new Set(this.all.map((knob) => knob.name));
    let name = direction.name;
    for (let i = 2; used.has(name); i++) name = `${direction.name} ${i}`;
    this.own = [...this.own, { ...direction, name, title: name, kind: "own", site: null }];
    this.page.said = `Made the direction ${name}`;
  }

  remove(name: string): void {
    this.own = this.own.filter((knob) => knob.name !== name);
    this.set(name, 0);
  }

  link(): LinkState {
    const amounts = Object.fromEntries([...this.amounts].filter(([, amount]) => amount));
    const own = Object.fromEntries(this.own.map((knob) => [knob.name, vectorText(stepOf(knob))]));
    return {
      amounts: Object.keys(amounts).length ? amounts : undefined,
      without: this.without.length ? this.without : undefined,
      own: this.own.length ? own : undefined,
    };
  }

  follow(said: LinkState): void {
    const dim = this.page.run.entry.dim;
    this.own = Object.entries(said.own ?? {}).flatMap(([name, text]) => {
      const whole = readVector(text);
      if (!whole || whole.length !== dim) return [];
      const spread = Math.hypot(...whole) || 1;
      const vector = whole.map((value) => value / spread);
      return [{ name, title: name, kind: "own" as const, vector, spread, site: null }];
    });
    this.amounts.clear();
    for (const [name, amount] of Object.entries(said.amounts ?? {})) this.amounts.set(name, amount);
    this.without = said.without ?? [];
  }

  private cleaned(knob: Knob): Direction {
    const run = this.page.run;
    const others = this.without.filter((name) => name !== knob.name);
    const normals = others.flatMap((name) => {
      const vector = run.normalOf(name);
      return vector ? [{ name, vector }] : [];
    });
    return !normals.length || knob.kind === "axis" ? knob : without(knob, normals, run.spread);
  }
}
