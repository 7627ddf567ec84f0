/** The styles of a latent: some layers taken from another pin, and the distance from the mean of the space. */

import type { LayerEntry, RunEntry } from "../contract";
import { fromHalf } from "../data";
import { mixed, truncated } from "../latent";
import { commandName, type Anchor } from "./anchor";
import { command, INPUT } from "./command";
import { shellWord } from "./format";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";

const CLASS = 1; // the layer of the class, of a class embedding
const FULL = 1; // of the distance from the mean: no truncation

export class Mix {
  amounts = $state.raw<number[]>([]); // of each part, from 0 to 1
  psi = $state(FULL); // factor on the distance from the mean
  private named = $state<string | null>(null); // the chosen source: the name of a pin
  private vectors = $state.raw<Float32Array | null>(null); // of the classes of an embedding
  className = $state<number | null>(null); // the class that is the source instead of a pin
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get parts(): LayerEntry[] {
    return this.page.run.entry.layers;
  }

  /** The pins whose layers can be taken: all but the one that they are mixed into. */
  readonly sources = $derived.by((): Anchor[] => this.page.pins.filter((_, i) => i !== this.page.chosen));

  /** The pin whose layers are taken: the chosen one, or the first of the others. */
  readonly source = $derived.by((): Anchor | null => this.ofClass ?? this.sources.find(({ name }) => name === this.named) ?? this.sources[0] ?? null);

  /** The chosen pin in the chosen class; null if no class is chosen. */
  private readonly ofClass = $derived.by((): Anchor | null => {
    const { run, subject } = this.page;
    const name = this.className === null ? undefined : run.entry.class_latents?.names[this.className];
    if (name === undefined || !this.vectors) return null;
    const width = run.entry.dim / 2;
    const z = subject.z.slice();
    z.set(this.vectors.subarray(this.className! * width, (this.className! + 1) * width), width);
    return { z, row: null, name, about: `class ${name}` };
  });

  amount(part: number): number {
    return this.amounts[part] ?? 0;
  }

  get changed(): boolean {
    return this.psi !== FULL || (this.source !== null && this.parts.some((_, i) => this.amount(i) > 0));
  }

  /** The chosen pin with layers of the source, truncated. */
  readonly result = $derived.by((): Anchor => {
    const { subject, run } = this.page;
    if (!this.changed) return subject;
    const z = this.source ? mixed(subject.z, this.source.z, this.parts, (i) => this.amount(i)) : subject.z;
    const about = `${subject.name || subject.about}, ${this.changes.join(", ")}`;
    return { z: run.center ? truncated(z, run.center, this.psi) : z, row: null, name: `${subject.name}'`, about, label: run.labelOf(subject) };
  });

  /** What changes, in a few words each. */
  private get changes(): string[] {
    const taken = this.parts.flatMap(({ name }, i) => (this.source && this.amount(i) ? [`${name} of ${this.source.name} ${Math.round(100 * this.amount(i))} %`] : []));
    return this.psi === FULL ? taken : [...taken, `psi ${this.psi.toFixed(2)}`];
  }

  set(part: number, amount: number): void {
    this.amounts = this.parts.map((_, i) => (i === part ? amount : this.amount(i)));
  }

  choose(name: string): void {
    this.named = name;
    this.className = null;
  }

  /** Take the class of this number; at once completely, unless a part of it is asked for. */
  async chooseClass(index: number, amount = 1): Promise<void> {
    const { run } = this.page;
    this.vectors ??= fromHalf(await run.files.bytes(run.entry.class_latents!.url));
    this.className = index;
    this.amounts = this.parts.map((_, i) => (i === CLASS ? amount : 0));
  }

  reset(): void {
    this.amounts = [];
    this.className = null;
    this.psi = FULL;
  }

  /** The name of the source on the command line; null if it has none. */
  private get sourceName(): string | null {
    if (!this.source) return null;
    return this.ofClass ? `class:${this.ofClass.name}` : commandName(this.source, this.page.run);
  }

  /** Python that makes the same image; null if only the page knows one of the latents. */
  readonly python = $derived.by((): string | null => {
    const { run, subject } = this.page;
    const [into, from] = [commandName(subject, run), this.sourceName];
    const taken = this.parts.flatMap((part, i) => (this.amount(i) && this.source ? [{ part, amount: this.amount(i) }] : []));
    if (into === null || (taken.length && !from)) return null;
    return pythonOf(run.entry, into, from ?? "", taken, this.psi);
  });

  /** The command that draws the same image beside both pins; null if it cannot. */
  readonly command = $derived.by((): string | null => {
    const { run, subject } = this.page;
    const [into, from] = [commandName(subject, run), this.sourceName];
    const range = wholeRange(this.parts, this.parts.map((_, i) => this.amount(i)));
    if (!into || !from || !range || this.psi !== FULL) return null;
    const space = run.entry.space === "w+" ? { ...run.entry, space: INPUT } : run.entry; // the command opens w+ by itself
    return command("mix", space, shellWord(from), "--into", shellWord(into), "--layers", range);
  });

  link(): LinkState {
    const index = this.ofClass ? `c${this.className}` : this.source ? this.page.pins.indexOf(this.source) : 0;
    const used = this.source && this.amounts.some(Boolean);
    return { mix: used ? [index, ...this.parts.map((_, i) => this.amount(i))].join(" ") : undefined, psi: this.psi === FULL ? undefined : this.psi };
  }

  /** Take the amounts of a link; the pins of the link are those of the page. */
  follow(link: LinkState): void {
    const [source, ...texts] = (link.mix ?? "").split(" ");
    const amounts = texts.map(Number);
    const valid = amounts.every((amount) => amount >= 0 && amount <= 1);
    const index = Number(/^c(\d+)$/.exec(source)?.[1] ?? -1);
    this.className = null;
    if (valid && this.page.run.entry.class_latents?.names[index] !== undefined) void this.chooseClass(index, amounts[CLASS]);
    this.amounts = valid ? amounts : [];
    this.psi = link.psi ?? FULL;
    this.named = this.page.pins[Number(source)]?.name ?? null;
  }
}

/** The first and the last layer that are taken completely; null if they are not one range, or in parts. */
export function wholeRange(parts: LayerEntry[], amounts: number[]): string | null {
  const taken = parts.flatMap((_, i) => (amounts[i] ? [i] : []));
  if (!taken.length || taken.some((part, i) => amounts[part] !== 1 || part !== taken[0] + i)) return null;
  return rangeText({ ...parts[taken[0]], last: parts[taken[taken.length - 1]].last });
}

const rangeText = ({ first, last }: LayerEntry) => (first === last ? String(first) : `${first}-${last}`);

/** Python for a mix of two named latents. */
export function pythonOf({ folder, space }: Pick<RunEntry, "folder" | "space">, into: string, from: string, taken: { part: LayerEntry; amount: number }[], psi: number): string {
  const lines = ["import zatlas", "", `run = zatlas.load(${JSON.stringify(folder)}).space(${JSON.stringify(space)})`, `z = run.locate(${JSON.stringify(into)}).latent`];
  for (const { part, amount } of taken) {
    const share = amount === 1 ? "" : `, amount=${Number(amount.toFixed(2))}`;
    lines.push(`z = run.styles.mix(z[0], ${JSON.stringify(from)}, ${JSON.stringify(rangeText(part))}${share})`);
  }
  if (psi !== FULL) lines.push("center = run.generator.space.center()", `z = center + ${Number(psi.toFixed(2))} * (z - center)`);
  return [...lines, "images = run.decode(z)"].join("\n");
}
