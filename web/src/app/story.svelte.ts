/** The stories of the page: which are offered, the open one with its step, and editing. */

import { anchorText } from "./anchor";
import { readLink, writeLink, type LinkState } from "./link";
import type { Page } from "./page.svelte";
import { FACTS, HOLDS } from "./storyFacts";
import { readStory, stepFor, writeStory, type Step, type Story } from "./storyText";

const FILES = import.meta.glob<string>("../stories/*.md", { eager: true, query: "?raw", import: "default" });
const GIVEN = "given"; // the name of the story that the page was opened with
const OWN = "~"; // before the text of a story in a link
const PORTABLE_ROWS = 3000; // of every page: the points of an export as one file
const MAX_UNPACKED = 300_000; // bytes of a story in a link

/** The stories of the page in their order. */
export const SHIPPED: { name: string; story: Story }[] = Object.entries(FILES)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([path, text]) => ({ name: path.replace(/^.*\/\d*-?|\.md$/g, ""), story: readStory(text) }));

export class Stories {
  open = $state(false); // beside the map
  story = $state.raw<Story | null>(null); // null: the list
  at = $state(0); // index of the step
  editing = $state(false);
  problem = $state("");
  given = $state.raw<Story | null>(null);
  readonly answers = $state<Record<number, number>>({}); // the choice at each step
  private name = $state(""); // of a story that is not the user's own
  private packed = $state(""); // the user's own, for a link
  private packing = 0;
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  readonly offered = $derived.by((): { name: string; story: Story }[] => {
    const shipped = SHIPPED.filter(({ story }) => this.missing(story) === null);
    return this.given ? [{ name: GIVEN, story: this.given }, ...shipped] : shipped;
  });

  get step(): Step | null {
    return this.story?.steps[this.at] ?? null;
  }

  /** The steps for this run, each with its index in the story: those that have a text for it. */
  readonly steps = $derived.by(() => (this.story?.steps ?? []).flatMap((step, at) => {
    const shown = stepFor(step, (name) => this.has(name));
    return shown ? [{ ...shown, at }] : [];
  }));

  /** Where the open step is among those for this run. */
  get position(): number {
    const result = this.steps.findIndex(({ at }) => at >= this.at);
    return result < 0 ? this.steps.length - 1 : result;
  }

  /** What a story needs and the run does not have; null if it has everything. */
  missing(story: Story): string | null {
    return story.needs.find((need) => !this.has(need)) ?? null;
  }

  private has(name: string): boolean {
    const { run } = this.page;
    return Object.hasOwn(HOLDS, name) && HOLDS[name](run);
  }

  /** A text with facts of the run in place of their names in braces. */
  fill(text: string): string {
    return text.replace(/\{([a-z ]+)\}/g, (whole, name: string) => (Object.hasOwn(FACTS, name) ? FACTS[name](this.page.run) : undefined) ?? whole);
  }

  /** Show the list, or hide the column. */
  toggle(): void {
    this.open = !this.open;
    this.leave();
  }

  close(): void {
    this.open = false;
    this.leave();
  }

  leave(): void {
    this.story = null;
    this.editing = false;
    this.problem = "";
  }

  /** Open a story of the list at its first step. */
  async start(name: string): Promise<void> {
    await this.page.follow(writeLink({ story: name, step: 1 }));
  }

  /** Take the story that the page comes with; returns the link that opens it, if it is to be opened. */
  receive(markdown: string | undefined, open: boolean): string {
    if (markdown === undefined) return "";
    this.open = open;
    try {
      this.given = readStory(markdown);
    } catch (error) {
      this.problem = (error as Error).message;
    }
    return this.given && open ? writeLink({ story: GIVEN, step: 1 }) : "";
  }

  /** Open a story of the user: from a file, or a new one. */
  async take(story: Story, editing = false): Promise<void> {
    await this.enter(story, "");
    this.editing = editing;
    const need = this.missing(story);
    this.problem = need ? `This story needs what the run does not have: ${need}. Some steps show less.` : "";
    await this.go(0);
  }

  /** Open a story's file. */
  async takeFile(file: File | undefined): Promise<void> {
    if (!file) return;
    try {
      await this.take(readStory(await file.text()));
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  /** A new story whose first step is what the page shows. */
  async begin(): Promise<void> {
    const steps = [{ title: "First step", state: this.stateNow(), text: "Say what to look at.", question: null }];
    await this.take({ title: "My story", about: "", needs: [], steps }, true);
  }

  /** Show the next or the previous step that has a text for this run. */
  async turn(by: -1 | 1): Promise<void> {
    const step = this.steps[this.position + by];
    if (step) await this.go(step.at);
  }

  /** Show a step: its state is a link. The next step may have none; then the page stays as it is. */
  async go(at: number): Promise<void> {
    const step = this.story?.steps[at];
    if (!step) return;
    if (step.state === null && this.steps[this.position + 1]?.at === at) {
      this.at = at;
      return;
    }
    await this.page.follow(writeLink({ ...this.link(), step: at + 1 }));
  }

  // Editing

  /** Replace the story by an edited one, which from now on is the user's own; returns whether it is a valid story. */
  edit(change: Partial<Story>): boolean {
    const story = { ...this.story!, ...change };
    try {
      const text = writeStory(story);
      if (writeStory(readStory(text)) !== text) throw new Error("A story cannot hold this text: a line starts as a heading, a list or a question.");
    } catch (error) {
      this.problem = (error as Error).message.replace(/^Line \d+: /, "");
      return false;
    }
    this.problem = "";
    this.story = story;
    this.name = "";
    void this.pack();
    return true;
  }

  editStep(change: Partial<Step>): boolean {
    return this.edit({ steps: this.story!.steps.with(this.at, { ...this.step!, ...change }) });
  }

  /** Insert a step after this one, with what the page shows. */
  addStep(): void {
    const added = { title: `Step ${this.at + 2}`, state: this.stateNow(), text: "Say what to look at.", question: null };
    if (this.edit({ steps: this.story!.steps.toSpliced(this.at + 1, 0, added) })) this.at += 1;
  }

  /** Exchange this step with a neighbor. */
  moveStep(by: -1 | 1): void {
    const steps = withStates(this.story!.steps);
    const other = steps[this.at + by];
    if (other && this.edit({ steps: steps.with(this.at + by, steps[this.at]).with(this.at, other) })) this.at += by;
  }

  removeStep(): void {
    const steps = withStates(this.story!.steps).toSpliced(this.at, 1);
    if (steps.length && this.edit({ steps })) void this.go(Math.min(this.at, steps.length - 1));
  }

  /** What the page shows, as the state of a step. */
  stateNow(): string {
    const { story: _, step: __, ...state } = readLink(this.page.link());
    const pins = this.page.pins.map((pin, i) => (pin.row !== null && pin.row >= PORTABLE_ROWS ? anchorText({ ...pin, row: null }) : (state.pins ?? [])[i]));
    return writeLink({ ...state, pins: pins.length ? pins : undefined });
  }

  // The link

  link(): LinkState {
    if (!this.open || !this.story) return {};
    const story = this.name || (this.packed && OWN + this.packed);
    return story ? { story, step: this.at + 1 } : {};
  }

  /** Open the story of a link; returns the state to apply: that of the link, or of its step if the link has no other. */
  async follow(link: LinkState): Promise<LinkState> {
    const { story: name, step, ...state } = link;
    if (!name) {
      if (this.story && !this.editing) this.close();
      return state;
    }
    if (!this.editing) await this.find(name);
    if (!this.story) return state;
    const at = Math.min(Math.max(Math.round(step ?? 1) - 1, 0), this.story.steps.length - 1);
    const shown = this.steps.find((item) => item.at >= at) ?? this.steps.at(-1);
    this.at = this.editing ? at : (shown?.at ?? at);
    return Object.keys(state).length ? state : readLink(withStates(this.story.steps)[this.at].state!);
  }

  private async find(name: string): Promise<void> {
    if (this.story && (name === this.name || name === OWN + this.packed)) {
      this.open = true;
      return;
    }
    const listed = this.given && name === GIVEN ? this.given : SHIPPED.find((item) => item.name === name)?.story;
    try {
      if (listed) await this.enter(listed, name);
      else if (name.startsWith(OWN)) await this.enter(readStory(await unpack(name.slice(OWN.length))), "");
      else throw new Error("This page does not have the story of the link. Choose another one.");
    } catch (error) {
      this.open = true;
      this.story = null;
      this.problem = (error as Error).message;
    }
  }

  private async enter(story: Story, name: string): Promise<void> {
    [this.open, this.story, this.name, this.at, this.editing, this.problem] = [true, story, name, 0, false, ""];
    for (const key of Object.keys(this.answers)) delete this.answers[Number(key)];
    if (!name) await this.pack();
  }

  private async pack(): Promise<void> {
    const ticket = ++this.packing;
    const packed = await pack(writeStory(this.story!));
    if (ticket === this.packing) this.packed = packed;
  }
}

/** The steps with a state each, for a reader who begins there: a step without one has that of the step before it. */
export function withStates(steps: Step[]): Step[] {
  let state = "";
  return steps.map((step) => ({ ...step, state: (state = step.state ?? state) }));
}

/** A text, compressed, in the letters of a link. */
export async function pack(text: string): Promise<string> {
  const bytes = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"))).bytes();
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The text again; a link that was cut, or that holds more than a story, is an error. */
export async function unpack(packed: string): Promise<string> {
  const damaged = new Error("The link holds only a part of its story. Copy it completely.");
  let reader: ReadableStreamDefaultReader<BufferSource>;
  try {
    const bytes = Uint8Array.from(atob(packed.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  } catch {
    throw damaged;
  }
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw damaged;
    });
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > MAX_UNPACKED) throw new Error("The story of this link is too long.");
    text += decoder.decode(value, { stream: true });
  }
}
