/** The map: every position decodes. */

import { stack } from "../../latent/vectors";
import { classChoice, el, Decoded } from "../dom";
import { Plane } from "../plane";
import type { Stage } from "../stage";

export async function map(stage: Stage): Promise<void> {
  const [run] = stage.runs;
  const { classes } = run.entry;
  const every = stage.attribute("classes") === "all" && classes.length > 0;
  const outputs = every ? classes.map((name) => new Decoded(name)) : [new Decoded("the cross")];
  let label = stage.anchors[0].label;
  const decode = async (x: number, y: number) => {
    const z = run.inverse.inverse(x, y);
    const labels = every ? classes.map((_, i) => i) : [label];
    const images = await run.decode(stack(labels.map(() => z)), labels.length, stage.stream("map"), labels);
    if (!images) return;
    const inside = run.inverse.coverage(x, y) < 0.5 ? "outside the data" : "inside the data";
    outputs.forEach((image, i) => {
      image.title(every ? classes[i] : inside, `${every ? classes[i] + ", " : ""}position ${x.toFixed(2)}, ${y.toFixed(2)}`);
      image.show(images, i);
    });
  };
  const plane = new Plane(stage, run, decode);
  const again = (chosen: number) => {
    label = chosen;
    void decode(plane.x, plane.y);
  };
  stage.root.append(
    el(
      "div",
      { class: "row" },
      el("div", { class: "stack" }, plane.canvas, legendOf(stage, plane)),
      every ? el("div", { class: "stack many" }, ...outputs.map(({ element }) => element)) : outputs[0].element,
    ),
    el("div", { class: "row" }, ...(every ? [] : classChoice(classes, label, again))),
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
