/** The latent spaces of a model: reading the entry of another one, and the state that a switch keeps. */

import type { RunEntry } from "../contract";
import type { Files } from "../types";
import { readLink, writeLink, type LinkState } from "./link";
import type { Page } from "./page.svelte";

type InSpace = Pick<RunEntry, "space" | "spaces">;

/** What a link keeps in another space; directions, equations and views belong to one space. */
const KEPT = ["chart", "colour", "filter", "panel", "label", "layer", "prior", "run", "story", "step"] as const;

/** The entry of a run in a latent space; an unknown name stands for the space of this entry. */
export async function entryIn(files: Files, entry: RunEntry, space: string | undefined): Promise<RunEntry> {
  const url = entry.spaces.find(({ name }) => name === space)?.entry;
  if (!url) return entry;
  const found = JSON.parse(new TextDecoder().decode(await files.bytes(url))) as RunEntry;
  return { ...found, spaces: entry.spaces };
}

/** The spaces of the runs for a link; undefined if they are those of the manifest. */
export function spacesInLink(entries: InSpace[]): string[] | undefined {
  const names = entries.map(({ space, spaces }) => (spaces.some(({ name, entry }) => name === space && entry) ? space : ""));
  return names.some(Boolean) ? names : undefined;
}

/** Whether a link asks for another space of any of these runs. */
export function otherSpaces(entries: InSpace[], wanted: string[] | undefined): boolean {
  return entries.some(({ space, spaces }, i) => {
    const own = spaces.find(({ name }) => name === wanted?.[i]) ?? spaces.find(({ entry }) => !entry);
    return own !== undefined && own.name !== space;
  });
}

/** The link to another space of one run, and the number of pins that have no name there. */
export function linkInSpace(link: string, entries: InSpace[], index: number, space: string): { link: string; lost: number } {
  const before = readLink(link);
  const spaces = entries.map((entry, i) => (i === index ? space : entry.space));
  const pins = before.pins?.filter((pin) => !pin.startsWith("z"));
  const kept = Object.fromEntries(KEPT.map((name) => [name, before[name]])) as LinkState;
  const inLink = spacesInLink(entries.map((entry, i) => ({ ...entry, space: spaces[i] })));
  return { link: writeLink({ ...kept, pins, space: inLink }), lost: (before.pins?.length ?? 0) - (pins?.length ?? 0) };
}

/** The switch between the latent spaces of the runs of a page. */
export class Spaces {
  opening = $state(""); // the space that is being opened
  reopen: ((link: string) => Promise<Page>) | null = null; // replaces the page by one in the spaces of a link
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  private get entries(): RunEntry[] {
    return this.page.runs.map((run) => run.entry);
  }

  /** Show another space of the active run; pins without a name there go. */
  async open(name: string): Promise<void> {
    const { page } = this;
    if (this.opening || name === page.run.entry.space) return;
    page.history.record(page.link());
    const { link, lost } = linkInSpace(page.link(), this.entries, page.active, name);
    const next = await this.replace(link, name);
    if (next && lost) next.toast = { text: `Removed ${lost === 1 ? "1 pin" : `${lost} pins`} without a name in ${name}`, undo: true };
  }

  /** Replace the page if a link asks for other spaces; returns whether it does. */
  async follow(link: string): Promise<boolean> {
    const wanted = readLink(link).space;
    if (!this.reopen || !otherSpaces(this.entries, wanted)) return false;
    await this.replace(link, wanted?.find(Boolean) ?? "the first space");
    return true;
  }

  link(): LinkState {
    return { space: spacesInLink(this.entries) };
  }

  private async replace(link: string, name: string): Promise<Page | null> {
    this.opening = name;
    try {
      return await this.reopen!(link);
    } catch (error) {
      this.page.toast = { text: (error as Error).message, undo: false };
      return null;
    } finally {
      this.opening = "";
    }
  }
}
