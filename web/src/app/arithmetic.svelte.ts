/** Latent arithmetic: anchors, groups and directions, each added or subtracted, and their sum. */

import type { Images } from "../types";
import { byExample, combine, gather, meanLatent, stack } from "../latent";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import { anchorText, commandName, type Anchor } from "./anchor";
import { command } from "./command";
import { shellWord } from "./format";

/** A named set of latents: rows selected with the lasso, and anchors picked one by one. */
export interface Group {
  name: string;
  rows: Int32Array;
  picks: Anchor[];
}

type Kind = "anchor" | "group" | "direction";

/** A pin, a group or a direction. Names are unique within a kind only: a pin and a class may both be called A. */
interface Named {
  kind: Kind;
  name: string;
}

export interface Term extends Named {
  sign: 1 | -1;
}

/** What a term can refer to: the latents of a pin or group as rows, or the step of a direction. */
export interface Operand extends Named {
  about: string;
  latents: Float32Array;
}

/** The sum of the terms, its distance from the data, and the rows nearest to it. */
export interface Result {
  anchor: Anchor;
  image: number; // its index among the images
  distance: number;
  nearest: number[];
  samples: Images | null; // decoded nearest rows, where no image has a latent
}

const MARKS: Record<Kind, string> = { anchor: "@", group: "~", direction: "" }; // before a name in a link
const NEAREST = 3; // rows shown with the result
const MAX_NAMED = 60; // picks that a command or a link names

export class Arithmetic {
  terms = $state<Term[]>([]);
  groups = $state.raw<Group[]>([]);
  filling = $state<string | null>(null); // the group that picked anchors go to
  highlight = $state(true); // highlight the last group on the map
  images = $state.raw<Images | null>(null); // of the terms that have latents, then of the result
  order = $state.raw<number[]>([]); // the image of each term; -1 without
  picked = $state.raw<Images | null>(null); // of the picks of all groups
  result = $state.raw<Result | null>(null);
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  readonly operands = $derived.by((): Operand[] => {
    const { pins, sliders } = this.page;
    return [
      ...pins.map((pin) => ({ name: pin.name, about: pin.about, kind: "anchor" as const, latents: pin.z })),
      ...this.groups.flatMap((group) => {
        const latents = this.latentsOf(group);
        return latents.length ? [{ name: group.name, about: `the mean of ${sizeOf(group)}`, kind: "group" as const, latents }] : [];
      }),
      ...sliders.all
        .filter((slider) => slider.kind !== "dimension" && !slider.field) // a nonlinear direction has no constant step to add
        .map((slider) => ({
          name: slider.name,
          about: "two standard deviations along this direction",
          kind: "direction" as const,
          latents: slider.vector.map((value) => 2 * slider.std * value),
        })),
    ];
  });

  operand({ kind, name }: Named): Operand | undefined {
    return this.operands.find((item) => item.kind === kind && item.name === name);
  }

  add({ kind, name }: Named, sign: 1 | -1 = 1): void {
    if (this.operand({ kind, name })) this.terms.push({ sign, kind, name });
  }

  flip(index: number): void {
    this.terms[index].sign = this.terms[index].sign === 1 ? -1 : 1;
  }

  remove(index: number): void {
    this.terms.splice(index, 1);
  }

  move(from: number, to: number): void {
    const [term] = this.terms.splice(from, 1);
    this.terms.splice(to, 0, term);
  }

  clear(): void {
    this.terms = [];
    this.groups = [];
    this.filling = null;
  }

  /** Compute the sum, and decode it and each operand. A direction without an anchor starts at the mean latent. */
  async evaluate(): Promise<void> {
    const { run } = this.page;
    const { entry } = run;
    const operands = this.terms.map((term) => this.operand(term));
    const result = this.terms.flatMap(({ sign }, i) => (operands[i] ? [{ sign, operand: operands[i] }] : []));
    if (!result.length) {
      this.images = this.result = null;
      return;
    }
    const summands = result.map(({ sign, operand }) => ({ sign, latents: operand.latents, step: operand.kind === "direction" }));
    const start = { sign: 1 as const, latents: run.typical, step: true }; // not one of the latents that set the norm
    const sum = combine(summands.every(({ step }) => step) ? [start, ...summands] : summands, entry);
    const shown = summands.map((term) => (term.step ? combine([start, term], entry) : meanLatent(term.latents, entry)));
    const [images, near] = await Promise.all([run.decode(stack([...shown, sum]), shown.length + 1, "arithmetic"), run.nearest(sum, "arithmetic")]);
    if (!images || !near) return;
    let count = 0;
    this.order = operands.map((operand) => (operand ? count++ : -1));
    this.images = images;
    const nearest = near.rows.slice(0, NEAREST);
    const samples = entry.sprites || !nearest.length ? null : await run.decode(stack(nearest.map((row) => run.anchor(row).z)), nearest.length, "nearest");
    const anchor = { z: sum, row: null, name: "sum", about: this.equation };
    this.result = { anchor, image: shown.length, distance: near.distance, nearest, samples };
    if (this.page.panel === "arithmetic") await this.page.show(anchor);
  }

  readonly equation = $derived.by((): string =>
    this.terms.map(({ sign, name }, i) => `${sign < 0 ? "- " : i ? "+ " : ""}${name}`).join(" "),
  );

  /** The command that computes the same; null if it cannot name a term, or if no term is added. */
  readonly command = $derived.by((): string | null => {
    const { entry, label } = this.page.run;
    const named = this.terms.filter((term) => this.operand(term)).map((term) => ({ sign: term.sign, text: this.commandOf(term) }));
    const first = named.findIndex(({ sign }) => sign > 0);
    if (named.length < 2 || first < 0 || named.some(({ text }) => text === null)) return null;
    const [{ text }] = named.splice(first, 1);
    const equation = [text, ...named.map((term) => `${term.sign < 0 ? "-" : "+"} ${term.text}`)].join(" ");
    const model = entry.classes.length ? [`--label ${shellWord(entry.classes[label])}`] : [];
    return command("arithmetic", entry, shellWord(equation), ...model);
  });

  private commandOf({ kind, name }: Named): string | null {
    const { run, pins } = this.page;
    const anchors = kind === "anchor" ? pins.filter((pin) => pin.name === name) : this.members(this.groups.find((group) => kind === "group" && group.name === name));
    const texts = anchors.length > MAX_NAMED ? [] : anchors.map((anchor) => commandName(anchor, run));
    return texts.length && !texts.includes(null) ? texts.join(",") : null;
  }

  // Groups

  /** Create an empty group, fill it from now on, and add it to the equation: added and subtracted in turn. */
  newGroup(): void {
    const name = this.unusedName();
    this.groups = [...this.groups, { name, rows: new Int32Array(), picks: [] }];
    const count = this.terms.filter(({ kind }) => kind === "group").length;
    this.terms.push({ sign: count % 2 ? -1 : 1, kind: "group", name });
    this.filling = name;
    this.page.announcement = `Created ${name}; choose its samples`;
  }

  /** Put an anchor into the group that is being filled, or take it out again; a first one creates the group. */
  toggle(anchor: Anchor): void {
    if (!this.filling) this.newGroup();
    const name = this.filling!;
    if (this.has(name, anchor)) return this.drop(name, anchor);
    this.change(name, (group) => ({ ...group, picks: [...group.picks, anchor] }));
    this.page.announcement = `Put ${anchor.about} into ${name}`;
  }

  /** Take an anchor out of a group. */
  drop(name: string, anchor: Anchor): void {
    this.change(name, (group) => ({ ...group, picks: group.picks.filter((pick) => !same(pick, anchor)) }));
    this.page.announcement = `Removed ${anchor.about} from ${name}`;
  }

  /** Whether a group has this anchor among its picks. */
  has(name: string | null, anchor: Anchor): boolean {
    return this.groups.some((group) => group.name === name && group.picks.some((pick) => same(pick, anchor)));
  }

  /** The names of the groups that have picked this anchor. */
  groupsWith(anchor: Anchor): string[] {
    return this.groups.filter((group) => group.picks.some((pick) => same(pick, anchor))).map(({ name }) => name);
  }

  /** Rename a group; a name that is empty or used by another group changes nothing. */
  rename(from: string, to: string): void {
    if (!to || this.groups.some(({ name }) => name === to)) return;
    this.change(from, (group) => ({ ...group, name: to }));
    for (const term of this.terms) if (term.kind === "group" && term.name === from) term.name = to;
    if (this.filling === from) this.filling = to;
  }

  /** Store the rows of a lasso as a group; null if there are none. */
  addGroup(rows: Int32Array): Group | null {
    if (!rows.length) return null;
    const group = { name: this.unusedName(), rows, picks: [] };
    this.groups = [...this.groups, group];
    this.highlight = true;
    this.page.announcement = `Created ${group.name} with ${rows.length} images`;
    return group;
  }

  deleteGroup(name: string): void {
    this.groups = this.groups.filter((group) => group.name !== name);
    this.terms = this.terms.filter((term) => term.kind !== "group" || term.name !== name);
    if (this.filling === name) this.filling = null;
  }

  /** Decode the picks of all groups. */
  async showPicks(): Promise<void> {
    const picks = this.groups.flatMap((group) => group.picks);
    if (!picks.length) return;
    const images = await this.page.run.decode(stack(picks.map(({ z }) => z)), picks.length, "picks");
    if (images) this.picked = images;
  }

  /** The rows of the last group, for the map; undefined if it has none. */
  get highlighted(): Int32Array | undefined {
    const group = this.groups.at(-1);
    const rows = group ? [...group.rows, ...group.picks.flatMap(({ row }) => row ?? [])] : [];
    return rows.length ? Int32Array.from(rows) : undefined;
  }

  /** Create a direction from the images of one group, or from all other images, to those of another group. */
  createDirection(plus: string, minus: string | null, name: string): void {
    const run = this.page.run;
    const group = (wanted: string) => this.groups.find((item) => item.name === wanted);
    const positive = group(plus)!;
    const inside = new Set([...positive.rows, ...positive.picks.map(({ row }) => row)]);
    const { values, dim } = run.latents!;
    const others = () => gather(values, dim, Array.from({ length: run.entry.count }, (_, i) => i).filter((i) => !inside.has(i)));
    const title = name || `${plus} − ${minus ?? "all others"}`;
    const negative = minus === null ? others() : this.latentsOf(group(minus)!);
    this.page.sliders.add(byExample(this.latentsOf(positive), negative, title, dim, run.std));
  }

  private latentsOf({ rows, picks }: Group): Float32Array {
    const { latents } = this.page.run;
    const lassoed = latents && rows.length ? gather(latents.values, latents.dim, rows) : new Float32Array();
    return Float32Array.from([...lassoed, ...picks.flatMap(({ z }) => Array.from(z))]);
  }

  private members(group: Group | undefined): Anchor[] {
    if (!group) return [];
    const rows = group.rows.length > MAX_NAMED ? group.rows.subarray(0, MAX_NAMED + 1) : group.rows;
    return [...Array.from(rows, (row) => this.page.run.anchor(row)), ...group.picks];
  }

  private change(name: string, to: (group: Group) => Group): void {
    this.groups = this.groups.map((group) => (group.name === name ? to(group) : group));
  }

  private unusedName(): string {
    const used = new Set(this.groups.map((group) => group.name));
    let number = 1;
    while (used.has(`group ${number}`)) number += 1;
    return `group ${number}`;
  }

  // Links

  link(): LinkState {
    const terms = this.terms.map((term, i) => `${term.sign < 0 ? "- " : i ? "+ " : ""}${namedText(term)}`);
    const named = this.groups.map((group) => [group.name, this.members(group).map(anchorText)] as const);
    const groups = named.filter(([, members]) => members.length && members.length <= MAX_NAMED).map(([name, members]) => [name, members.join(".")]);
    return { arithmetic: terms.join(" ") || undefined, groups: groups.length ? Object.fromEntries(groups) : undefined };
  }

  /** Read the terms of an equation; names may contain spaces. */
  follow(link: LinkState): void {
    const text = link.arithmetic ?? "";
    this.filling = null;
    this.terms = [...text.matchAll(/([+-]?)\s*([^+-]+)/g)].map(([, sign, name]) => ({ sign: sign === "-" ? -1 : 1, ...readNamed(name.trim()) }));
  }

  /** Read the groups, once the run's samples and latents are loaded; terms of other groups go. */
  followGroups(link: LinkState): void {
    this.groups = Object.entries(link.groups ?? {}).map(([name, members]) => ({
      name,
      rows: new Int32Array(),
      picks: members.split(".").flatMap((text) => this.page.anchorOf(text) ?? []),
    }));
    this.terms = this.terms.filter(({ kind, name }) => kind !== "group" || this.groups.some((group) => group.name === name));
  }
}

/** The size of a group in words. */
export function sizeOf({ rows, picks }: Group): string {
  const count = rows.length + picks.length;
  return `${count} ${count === 1 ? "latent" : "latents"}`;
}

function same(a: Anchor, b: Anchor): boolean {
  return anchorText(a) === anchorText(b);
}

/** The name of a term as text for a link or a drag. */
export function namedText({ kind, name }: Named): string {
  return MARKS[kind] + escape(name);
}

export function readNamed(text: string): Named {
  const kind = text.startsWith("@") ? "anchor" : text.startsWith("~") ? "group" : "direction";
  return { kind, name: unescape(text.slice(MARKS[kind].length)) };
}

/** Escape signs, marks and outer spaces in a name, because they separate terms. */
function escape(name: string): string {
  return name.replace(/[%+@~-]|^\s+|\s+$/g, (sign) => [...sign].map((item) => `%${item.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));
}

function unescape(text: string): string {
  return text.replace(/%([0-9a-f]{4})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}
