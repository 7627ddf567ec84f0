/** Latent arithmetic: anchors, groups and directions, each added or subtracted, and their sum. */

import type { Images } from "../types";
import { byExample, gather } from "../latent";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import type { Anchor } from "./anchor";

export interface Group {
  name: string;
  rows: Int32Array;
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

/** What a term can refer to. `z` is the latent of a pin or group, or the step of a direction. */
export interface Operand extends Named {
  about: string;
  z: Float32Array;
}

const MARKS: Record<Kind, string> = { anchor: "@", group: "~", direction: "" }; // before a name in a link

export class Arithmetic {
  terms = $state<Term[]>([]);
  groups = $state.raw<Group[]>([]);
  highlight = $state(true); // highlight the last group on the map
  images = $state.raw<Images | null>(null); // one a term, then the result
  result = $state.raw<Anchor | null>(null);
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  readonly operands = $derived.by((): Operand[] => {
    const { pins, run, sliders } = this.page;
    return [
      ...pins.map((pin) => ({ name: pin.name, about: pin.about, kind: "anchor" as const, z: pin.z })),
      ...this.groups.map((group) => ({
        name: group.name,
        about: `the mean of ${group.rows.length} images`,
        kind: "group" as const,
        z: run.meanOf(group.rows),
      })),
      ...sliders.all
        .filter((slider) => slider.kind !== "dimension" && !slider.field) // a nonlinear direction has no constant step to add
        .map((slider) => ({
          name: slider.name,
          about: "two standard deviations along this direction",
          kind: "direction" as const,
          z: slider.vector.map((value) => 2 * slider.std * value),
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
  }

  /** Compute the sum, and decode it and each operand. A direction without an anchor starts at the mean latent. */
  async evaluate(): Promise<void> {
    const run = this.page.run;
    const result = this.terms.flatMap((term) => {
      const operand = this.operand(term);
      return operand ? [{ ...term, operand }] : [];
    });
    if (!result.length) {
      this.images = this.result = null;
      return;
    }
    const dim = run.entry.dim;
    const anchored = result.some(({ operand }) => operand.kind !== "direction");
    const sum = anchored ? new Float32Array(dim) : Float32Array.from(run.typical);
    const rows = new Float32Array((result.length + 1) * dim);
    result.forEach(({ sign, operand }, i) => {
      const start = operand.kind === "direction" ? run.typical : new Float32Array(dim);
      for (let j = 0; j < dim; j++) {
        sum[j] += sign * operand.z[j];
        rows[i * dim + j] = start[j] + (operand.kind === "direction" ? sign : 1) * operand.z[j];
      }
    });
    rows.set(sum, result.length * dim);
    const images = await run.decode(rows, result.length + 1, "arithmetic");
    if (!images) return;
    this.images = images;
    this.result = { z: sum, row: null, name: "sum", about: this.equation };
  }

  readonly equation = $derived.by((): string =>
    this.terms.map(({ sign, name }, i) => `${sign < 0 ? "- " : i ? "+ " : ""}${name}`).join(" "),
  );

  /** Store the rows of a lasso as a group; null if there are none. */
  addGroup(rows: Int32Array): Group | null {
    if (!rows.length) return null;
    const used = new Set(this.groups.map((group) => group.name));
    let number = 1;
    while (used.has(`group ${number}`)) number += 1;
    const group = { name: `group ${number}`, rows };
    this.groups = [...this.groups, group];
    this.highlight = true;
    this.page.announcement = `Created ${group.name} with ${rows.length} images`;
    return group;
  }

  deleteGroup(name: string): void {
    this.groups = this.groups.filter((group) => group.name !== name);
    this.terms = this.terms.filter((term) => term.kind !== "group" || term.name !== name);
  }

  /** Create a direction from the images of one group, or from all other images, to those of another group. */
  createDirection(plus: string, minus: string | null, name: string): void {
    const run = this.page.run;
    const rows = (wanted: string) => this.groups.find((group) => group.name === wanted)?.rows ?? new Int32Array();
    const positive = rows(plus);
    const inside = new Set(positive);
    const negative = minus === null ? Int32Array.from({ length: run.entry.count }, (_, i) => i).filter((i) => !inside.has(i)) : rows(minus);
    const { values, dim } = run.latents!;
    const title = name || `${plus} − ${minus ?? "all others"}`;
    this.page.sliders.add(byExample(gather(values, dim, positive), gather(values, dim, negative), title, dim, run.std));
  }

  link(): LinkState {
    const terms = this.terms.map((term, i) => `${term.sign < 0 ? "- " : i ? "+ " : ""}${namedText(term)}`);
    return { arithmetic: terms.join(" ") || undefined };
  }

  /** Read the terms of an equation; names may contain spaces. */
  follow(link: LinkState): void {
    const text = link.arithmetic ?? "";
    this.terms = [...text.matchAll(/([+-]?)\s*([^+-]+)/g)].map(([, sign, name]) => ({ sign: sign === "-" ? -1 : 1, ...readNamed(name.trim()) }));
  }
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
