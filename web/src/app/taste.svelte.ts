/** The compass in the page: questions in pictures, and the direction that the answers point to. */

import type { Pictures } from "../contract";
import { Compass, principalAxes, sample, walk, type Principal } from "../latent";
import type { Page } from "./page.svelte";
import type { RunState } from "./run.svelte";

const MOST = 256; // coordinates whose axes the page works out itself
const TILES = 5; // pictures of what is believed so far
const SURE = 26; // degrees: a cosine of 0.9

export class Taste {
  choices = $state(0);
  angle = $state(90);
  question = $state.raw<Pictures | null>(null);
  preview = $state.raw<Pictures | null>(null); // along the direction, from the chosen place
  problem = $state("");
  private compass: Compass | null = null;
  private shown = new Float32Array();
  private of: RunState | null = null;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get sure(): boolean {
    return this.angle <= SURE;
  }

  get answered(): boolean {
    return (this.compass?.answers.length ?? 0) > 0 && this.choices >= 0;
  }

  /** Begin, or go on where one was. */
  async open(): Promise<void> {
    const { run } = this.page;
    await run.ready;
    if (this.of === run && this.compass) return;
    this.of = run;
    await this.begin();
  }

  async begin(): Promise<void> {
    const { run } = this.page;
    this.problem = "";
    this.compass = null;
    this.preview = this.question = null;
    try {
      if (!run.codes) throw new Error("The compass needs the codes on this page: show fewer points.");
      this.compass = new Compass(run.codes.values, run.entry.dim, axesOf(run), Date.now() % 1000);
      await this.next();
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  async choose(index: number | null): Promise<void> {
    if (!this.compass) return;
    this.compass.tell(this.shown, index);
    await this.next();
  }

  async undo(): Promise<void> {
    this.compass?.undo();
    await this.next();
  }

  /** Keep the direction as a knob of one's own. */
  keep(name: string): void {
    if (!this.compass) return;
    this.page.knobs.add(this.compass.direction(name));
    this.page.panel = "knobs";
  }

  private async next(): Promise<void> {
    const { run } = this.page;
    const compass = this.compass!;
    this.choices = compass.choices;
    this.angle = compass.angle;
    this.shown = compass.ask() as Float32Array<ArrayBuffer>;
    const question = await run.decode(this.shown, compass.count, "question");
    if (question) this.question = question;
    if (!compass.choices) return void (this.preview = null);
    const { vector, spread } = compass.direction("taste");
    const step = vector.map((value) => value * spread);
    const preview = await run.decode(sample(walk(this.page.subject.z, step, -2.5, 2.5), TILES), TILES, "taste");
    if (preview) this.preview = preview;
  }
}

function axesOf(run: RunState): Principal {
  if (run.entry.dim <= MOST) return principalAxes(run.codes!.values, run.entry.dim);
  const known = run.knobs.filter((knob) => knob.kind === "principal");
  return { axes: known.map((knob) => knob.vector), spreads: known.map((knob) => knob.spread) };
}
