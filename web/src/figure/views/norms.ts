/** The norm of latents along curves, over the band that holds most of the data. */

import { norm, row } from "../../latent/vectors";

const [WIDTH, HEIGHT] = [520, 150];
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 8, 8, 22]; // margins
const DASHES = ["", "7 4", "2 4"];
const SVG = "http://www.w3.org/2000/svg";

export class NormPlot {
  readonly element = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  #band: [number, number]; // between which 90 % of the norms are
  #line = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, stroke: "currentColor" });

  constructor(
    latents: Float32Array,
    dim: number,
    readonly names: string[],
  ) {
    const norms = Array.from({ length: latents.length / dim }, (_, i) => norm(row(latents, dim, i))).sort((a, b) => a - b);
    const at = (share: number) => norms[Math.round(share * (norms.length - 1))];
    this.#band = [at(0.05), at(0.95)];
    this.element.setAttribute("aria-label", `Norm of the latent along ${names.join(" and ")}; 90 % of the data have a norm from ${at(0.05).toFixed(1)} to ${at(0.95).toFixed(1)}`);
  }

  /** Draw the norms of each curve at equal times. */
  draw(curves: number[][]): void {
    const high = 1.1 * Math.max(this.#band[1], ...curves.flat());
    const y = (value: number) => HEIGHT - BOTTOM - (value / high) * (HEIGHT - TOP - BOTTOM);
    const [low, top] = this.#band;
    const band = svg("rect", { x: LEFT, width: WIDTH - LEFT - RIGHT, y: y(top), height: y(low) - y(top), fill: "currentColor", opacity: 0.13 });
    const paths = curves.map((norms, i) => {
      const points = norms.map((value, j) => `${x(j / (norms.length - 1))},${y(value)}`).join(" ");
      return svg("polyline", { points, fill: "none", stroke: "var(--generated)", "stroke-width": 2.5, "stroke-dasharray": DASHES[i % DASHES.length] });
    });
    const names = curves.map((norms, i) => {
      const middle = norms[Math.floor(norms.length / 2)];
      return text(x(0.5) + 6, y(middle) + (this.names[i] === "lerp" ? 15 : -6), this.names[i]);
    });
    const axis = [text(LEFT - 4, y(0) + 4, "0", "end"), text(LEFT - 4, y(high / 1.1) + 4, (high / 1.1).toFixed(0), "end"), text(WIDTH / 2, HEIGHT - 5, "norm of the latent along the walk; the band holds 90 % of the data", "middle")];
    this.element.replaceChildren(band, ...paths, ...names, ...axis, this.#line);
  }

  /** Mark a time. */
  mark(t: number): void {
    this.#line.setAttribute("x1", String(x(t)));
    this.#line.setAttribute("x2", String(x(t)));
  }
}

function x(t: number): number {
  return LEFT + t * (WIDTH - LEFT - RIGHT);
}

function text(x: number, y: number, content: string, anchor = "start"): SVGElement {
  const result = svg("text", { x, y, "text-anchor": anchor });
  result.textContent = content;
  return result;
}

function svg(name: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
