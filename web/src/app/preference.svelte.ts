/** The compass in the page: questions as decoded images, and the preference direction fitted to the answers. */

import type { Images } from "../types";
import { Compass, principalComponents, sample, walk, type Principal } from "../latent";
import type { Page } from "./page.svelte";
import type { RunState } from "./run.svelte";

const MAX_DIM = 256; // dimensions up to which the page computes the principal components itself
const TILES = 5; // images of the preview
const RELIABLE_ANGLE = 26; // degrees: a cosine of 0.9

export class Preference {
  choices = $state(0);
  angle = $state(90);
  question = $state.raw<Images | null>(null);
  preview = $state.raw<Images | null>(null); // images along the direction, from the chosen anchor
  problem = $state("");
  private compass: Compass | null = null;
  private latents = new Float32Array();
  private openedRun: RunState | null = null;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get sure(): boolean {
    return this.angle <= RELIABLE_ANGLE;
  }

  get answered(): boolean {
    return (this.compass?.answers.length ?? 0) > 0 && this.choices >= 0;
  }

  /** Start, or continue if this run has been started already. */
  async open(): Promise<void> {
    const { run } = this.page;
    await run.ready;
    if (this.openedRun === run && this.compass) return;
    this.openedRun = run;
    await this.begin();
  }

  async begin(): Promise<void> {
    const { run } = this.page;
    this.problem = "";
    this.compass = null;
    this.preview = this.question = null;
    try {
      if (!run.latents) throw new Error("The compass needs the latents on this page. Start the explorer with fewer points: --points 20000.");
      this.compass = new Compass(run.latents.values, run.entry.dim, componentsOf(run), Date.now() % 1000);
      await this.next();
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  async choose(index: number | null): Promise<void> {
    if (!this.compass) return;
    this.compass.answer(this.latents, index);
    await this.next();
  }

  async undo(): Promise<void> {
    this.compass?.undo();
    await this.next();
  }

  /** Add the direction to the sliders under this name. */
  save(name: string): void {
    if (!this.compass) return;
    this.page.sliders.add(this.compass.direction(name));
    this.page.panel = "sliders";
  }

  private async next(): Promise<void> {
    const { run } = this.page;
    const compass = this.compass!;
    this.choices = compass.choices;
    this.angle = compass.angle;
    this.latents = compass.question() as Float32Array<ArrayBuffer>;
    const question = await run.decode(this.latents, compass.count, "question");
    if (question) this.question = question;
    if (!compass.choices) return void (this.preview = null);
    const { vector, std } = compass.direction("preference");
    const step = vector.map((value) => value * std);
    const preview = await run.decode(sample(walk(this.page.subject.z, step, -2.5, 2.5), TILES), TILES, "preference");
    if (preview) this.preview = preview;
  }
}

function componentsOf(run: RunState): Principal {
  if (run.entry.dim <= MAX_DIM) return principalComponents(run.latents!.values, run.entry.dim);
  const principal = run.sliders.filter((slider) => slider.kind === "principal" || slider.kind === "closed_form");
  return { components: principal.map((slider) => slider.vector), std: principal.map((slider) => slider.std) };
}
