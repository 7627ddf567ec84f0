/** `<zatlas-figure src="data.js" view="walk">`: a figure that decodes in the reader's browser. */

import { openData } from "./run";
import { Stage } from "./stage";
import css from "./style.css?inline";
import { el } from "./dom";
import { compare } from "./views/compare";
import { grid } from "./views/grid";
import { map } from "./views/map";
import { sliders } from "./views/sliders";
import { walk } from "./views/walk";

const VIEWS: Record<string, (stage: Stage) => Promise<void>> = { map, walk, sliders, compare, grid };
const AHEAD = "300px"; // below the window, where a figure starts to load
let figures = 0;

class ZatlasFigure extends HTMLElement {
  #started = false;
  #near: IntersectionObserver | null = null;
  #watching: (() => void)[] = [];

  connectedCallback(): void {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" }).append(el("slot")); // what the element holds, until then
    if (this.#started) return;
    this.#near = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) void this.#start();
      },
      { rootMargin: AHEAD },
    );
    this.#near.observe(this);
  }

  disconnectedCallback(): void {
    this.#near?.disconnect();
    for (const stop of this.#watching.splice(0)) stop();
  }

  async #start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#near?.disconnect();
    const status = el("div", { class: "status", role: "status" }, "Loading the model …");
    const root = el("div", { class: "figure", role: "group", "aria-label": this.getAttribute("label") ?? "Interactive figure" });
    this.shadowRoot!.append(el("style", {}, css), status);
    try {
      const view = VIEWS[this.getAttribute("view") ?? "map"];
      if (!view) throw new Error(`view="${this.getAttribute("view")}": write ${Object.keys(VIEWS).join(", ")}.`);
      const stage = new Stage(this, root, ++figures, await openData(this.getAttribute("src") ?? "data.js"));
      this.shadowRoot!.querySelector("slot")?.replaceWith(root);
      await view(stage);
      status.remove();
      this.#watch(stage);
      this.dispatchEvent(new Event("ready"));
    } catch (error) {
      if (!root.isConnected) root.append(el("slot"));
      status.textContent = `This figure cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Draw again when the size or the theme changes. */
  #watch(stage: Stage): void {
    const paint = () => stage.paint();
    const size = new ResizeObserver(paint);
    size.observe(stage.root);
    const theme = new MutationObserver(paint);
    for (const element of [document.documentElement, document.body]) {
      theme.observe(element, { attributes: true, attributeFilter: ["class", "style", "data-theme"] });
    }
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", paint);
    this.#watching.push(() => size.disconnect(), () => theme.disconnect(), () => system.removeEventListener("change", paint));
  }
}

if (!customElements.get("zatlas-figure")) customElements.define("zatlas-figure", ZatlasFigure);
