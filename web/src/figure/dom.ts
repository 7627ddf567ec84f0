/** Elements of the views. */

import { paint } from "../media/enlarge";
import type { Images } from "../types";

type Attributes = Record<string, string | number | ((event: Event) => void)>;

/** An element with attributes, listeners (`onclick` ...) and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}

const SMALL = 40; // pixels; larger images are smoothed when they are enlarged

/** A decoded image with a title. */
export class Decoded {
  readonly canvas = el("canvas", { role: "img", class: "generated" });
  readonly element: HTMLElement;
  #caption = el("figcaption");

  constructor(title: string) {
    this.element = el("figure", {}, this.canvas, this.#caption);
    this.title(title);
  }

  title(text: string, about = text): void {
    this.#caption.textContent = text;
    this.canvas.setAttribute("aria-label", `decoded image: ${about}`);
  }

  show(images: Images, index = 0): void {
    paint(this.canvas, images, index);
    this.canvas.classList.toggle("pixels", images.width <= SMALL);
    this.canvas.dataset.ready = "true";
  }
}

interface RangeSettings {
  label: string;
  low: number;
  high: number;
  value: number;
  text?: (value: number) => string; // of a value, as a reader hears it
}

/** A labelled range input that calls `changed` with its value. */
export class Range {
  readonly input: HTMLInputElement;
  readonly element: HTMLElement;
  #output = el("output");

  constructor(
    readonly settings: RangeSettings,
    changed: (value: number) => void,
  ) {
    const { label, low, high, value } = settings;
    const oninput = () => {
      this.#say();
      changed(this.value);
    };
    this.input = el("input", { type: "range", min: low, max: high, step: (high - low) / 200, oninput });
    this.element = el("label", { class: "range" }, el("span", {}, label), this.input, this.#output);
    this.value = value;
  }

  get value(): number {
    return Number(this.input.value);
  }

  set value(value: number) {
    this.input.value = String(value);
    this.#say();
  }

  #say(): void {
    const text = this.settings.text?.(this.value) ?? this.value.toFixed(1);
    this.#output.textContent = text;
    this.input.setAttribute("aria-valuetext", text);
  }
}

/** A button. */
export function button(text: string, onclick: () => void): HTMLButtonElement {
  return el("button", { type: "button", onclick }, text);
}

/** A choice among names, by their index. */
export function choice(title: string, names: string[], chosen: number, changed: (index: number) => void): HTMLElement {
  const onchange = (event: Event) => changed(Number((event.target as HTMLSelectElement).value));
  const options = names.map((name, i) => el("option", { value: i, ...(i === chosen ? { selected: "" } : {}) }, name));
  return el("label", {}, `${title} `, el("select", { "aria-label": title, onchange }, ...options));
}

/** A choice of the class of a conditional model; empty for others. */
export function classChoice(classes: string[], label: number, changed: (label: number) => void): HTMLElement[] {
  return classes.length ? [choice("Class", classes, label, changed)] : [];
}
