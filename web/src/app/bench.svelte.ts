/** The arithmetic bench: places, groups and directions with a plus or a minus before each, and their sum. */

import type { Pictures } from "../contract";
import { byExample, gather } from "../latent";
import type { LinkState } from "./link";
import type { Page } from "./page.svelte";
import type { Spot } from "./spot";

export interface Group {
  name: string;
  rows: Int32Array;
}

type Kind = "place" | "group" | "direction";

/** A pin, a group or a direction, which may share a name: a pin A, and a class A. */
interface Named {
  kind: Kind;
  name: string;
}

export interface Term extends Named {
  sign: 1 | -1;
}

/** What a term can be: its code, or its step. */
export interface Operand extends Named {
  about: string;
  z: Float32Array;
}

const MARKS: Record<Kind, string> = { place: "@", group: "~", direction: "" }; // before a name in a link

export class Bench {
  terms = $state<Term[]>([]);
  groups = $state.raw<Group[]>([]);
  lit = $state(true); // the last group stands out on the map
  pictures = $state.raw<Pictures | null>(null); // one a term, then the result
  result = $state.raw<Spot | null>(null);
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  readonly operands = $derived.by((): Operand[] => {
    const { pins, run, knobs } = this.page;
    return [
      ...pins.map((pin) => ({ name: pin.name, about: pin.about, kind: "place" as const, z: pin.z })),
      ...this.groups.map((group) => ({
        name: group.name,
        about: `the mean of ${group.rows.length} images`,
        kind: "group" as const,
        z: run.meanOf(group.rows),
      })),
      ...knobs.all
        .filter((knob) => knob.kind !== "axis" && !knob.lead) // what bends has no step that could be added
        .map((knob) => ({
          name: knob.name,
          about: "two spreads along this direction",
          kind: "direction" as const,
          z: knob.vector.map((value) => 2 * knob.spread * value),
        })),
    ];
  });

  operand({ kind, name }: Named): Operand | undefined {
    return this.operands.find((one) => one.kind === kind && one.name === name);
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

  /** Add it all up, and decode the operands and the sum; a direction alone is shown from the middle of the data. */
  async work(): Promise<void> {
    const run = this.page.run;
    const found = this.terms.flatMap((term) => {
      const operand = this.operand(term);
      return operand ? [{ ...term, operand }] : [];
    });
    if (!found.length) {
      this.pictures = this.result = null;
      return;
    }
    const dim = run.entry.dim;
    const anchored = found.some(({ operand }) => operand.kind !== "direction");
    const sum = anchored ? new Float32Array(dim) : Float32Array.from(run.typical);
    const rows = new Float32Array((found.length + 1) * dim);
    found.forEach(({ sign, operand }, i) => {
      const start = operand.kind === "direction" ? run.typical : new Float32Array(dim);
      for (let j = 0; j < dim; j++) {
        sum[j] += sign * operand.z[j];
        rows[i * dim + j] = start[j] + (operand.kind === "direction" ? sign : 1) * operand.z[j];
      }
    });
    rows.set(sum, found.length * dim);
    const pictures = await run.decode(rows, found.length + 1, "bench");
    if (!pictures) return;
    this.pictures = pictures;
    this.result = { z: sum, row: null, name: "sum", about: this.equation };
  }

  readonly equation = $derived.by((): string =>
    this.terms.map(({ sign, name }, i) => `${sign < 0 ? "- " : i ? "+ " : ""}${name}`).join(" "),
  );

  /** Keep a lasso as a group. */
  gather(rows: Int32Array): Group | null {
    if (!rows.length) return null;
    const used = new Set(this.groups.map((group) => group.name));
    let number = 1;
    while (used.has(`group ${number}`)) number += 1;
    const group = { name: `group ${number}`, rows };
    this.groups = [...this.groups, group];
    this.lit = true;
    this.page.said = `Gathered ${rows.length} images as ${group.name}`;
    return group;
  }

  forget(name: string): void {
    this.groups = this.groups.filter((group) => group.name !== name);
    this.terms = this.terms.filter((term) => term.kind !== "group" || term.name !== name);
  }

  /** A new direction: from the images of one group to those of another, or from all others to it. */
  direct(plus: string, minus: string | null, name: string): void {
    const run = this.page.run;
    const rows = (wanted: string) => this.groups.find((group) => group.name === wanted)?.rows ?? new Int32Array();
    const own = rows(plus);
    const inside = new Set(own);
    const rest = minus === null ? Int32Array.from({ length: run.entry.count }, (_, i) => i).filter((i) => !inside.has(i)) : rows(minus);
    const { values, dim } = run.codes!;
    const words = name || `${plus} − ${minus ?? "the rest"}`;
    this.page.knobs.add(byExample(gather(values, dim, own), gather(values, dim, rest), words, dim, run.spread));
  }

  link(): LinkState {
    const terms = this.terms.map((term, i) => `${term.sign < 0 ? "- " : i ? "+ " : ""}${namedText(term)}`);
    return { bench: terms.join(" ") || undefined };
  }

  /** Terms of an equation; names may hold spaces. */
  follow(said: LinkState): void {
    const text = said.bench ?? "";
    this.terms = [...text.matchAll(/([+-]?)\s*([^+-]+)/g)].map(([, sign, name]) => ({ sign: sign === "-" ? -1 : 1, ...readNamed(name.trim()) }));
  }
}

/** What a term names, as text for a link or a drag. */
export function namedText({ kind, name }: Named): string {
  return MARKS[kind] + escape(name);
}

export function readNamed(text: string): Named {
  const kind = text.startsWith("@") ? "place" : text.startsWith("~") ? "group" : "direction";
  return { kind, name: unescape(text.slice(MARKS[kind].length)) };
}

/** Signs part terms, marks begin them, and spaces stand between them, so in names these are written otherwise. */
function escape(name: string): string {
  return name.replace(/[%+@~-]|^\s+|\s+$/g, (sign) => [...sign].map((one) => `%${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));
}

function unescape(text: string): string {
  return text.replace(/%([0-9a-f]{4})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}
