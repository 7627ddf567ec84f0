/** The map: every position decodes. */

import { classChoice, el, Decoded } from "../dom";
import { Plane } from "../plane";
import type { Stage } from "../stage";

export async function map(stage: Stage): Promise<void> {
  const [run] = stage.runs;
  const image = new Decoded("the cross");
  let label = stage.anchors[0].label;
  const decode = async (x: number, y: number) => {
    const images = await run.decode(run.inverse.inverse(x, y), 1, stage.stream("map"), label);
    if (!images) return;
    const outside = run.inverse.coverage(x, y) < 0.5;
    image.title(outside ? "outside the data" : "inside the data", `position ${x.toFixed(2)}, ${y.toFixed(2)}`);
    image.show(images);
  };
  const plane = new Plane(stage, run, decode);
  const again = (chosen: number) => {
    label = chosen;
    void decode(plane.x, plane.y);
  };
  stage.root.append(
    el("div", { class: "row" }, el("div", { class: "stack" }, plane.canvas, legendOf(stage, plane)), image.element),
    el("div", { class: "row" }, ...classChoice(run.entry.classes, label, again)),
  );
  const [x, y] = run.inverse.forward(stage.anchors[0].z) ?? [run.positions[0], run.positions[1]];
  plane.set(x, y);
  await decode(x, y);
}

/** The names of the colours, drawn again when the theme changes. */
export function legendOf(stage: Stage, plane: Plane): HTMLElement {
  const list = el("ul", { class: "legend" });
  stage.onpaint(() => {
    const { title, entries } = plane.legend;
    const items = entries.map(({ text, colour }) => {
      const dot = el("i");
      dot.style.background = colour;
      return el("li", {}, dot, text);
    });
    list.replaceChildren(el("li", {}, title ? `${title}:` : ""), ...items);
  });
  return list;
}
