/** What a view gets: the data, the settings of the element, and its theme. */

import type { Anchor, FigureData, FigureRun } from "./run";

export class Stage {
  readonly runs: FigureRun[];
  readonly anchors: Anchor[];
  #painters: (() => void)[] = [];

  constructor(
    readonly host: HTMLElement,
    readonly root: HTMLElement, // where the view puts its elements
    readonly id: number, // of the figure in the page
    data: FigureData,
  ) {
    this.runs = data.runs;
    this.anchors = data.anchors;
  }

  attribute(name: string): string | null {
    return this.host.getAttribute(name);
  }

  /** The words of an attribute, which commas separate. */
  list(name: string): string[] {
    return (this.attribute(name) ?? "").split(",").map((item) => item.trim()).filter(Boolean);
  }

  /** A name for a stream of decode requests; figures with the same data share a decoder. */
  stream(name: string): string {
    return `${name} ${this.id}`;
  }

  /** The colour of text around the figure. */
  get ink(): string {
    return getComputedStyle(this.root).color;
  }

  /** Whether the text is light, so the page is dark. */
  get dark(): boolean {
    const [r, g, b] = (this.ink.match(/[\d.]+/g) ?? []).map(Number);
    return 0.299 * r + 0.587 * g + 0.114 * b > 128;
  }

  /** Call a function now in the next frame, and when the size or the theme changes. */
  onpaint(paint: () => void): void {
    this.#painters.push(paint);
    requestAnimationFrame(paint);
  }

  paint(): void {
    for (const paint of this.#painters) paint();
  }
}
