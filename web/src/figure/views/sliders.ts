/** Sliders: an image moves along directions. */

import type { Slider } from "../../app/sliders.svelte";
import { move } from "../../latent/directions";
import { button, classChoice, el, Decoded, Range } from "../dom";
import type { Stage } from "../stage";

const SHOWN = 6; // sliders, unless the element names them
const LIMIT = 3; // standard deviations, if the range was not measured

export async function sliders(stage: Stage): Promise<void> {
  const [run] = stage.runs;
  const { dim, count } = run.entry;
  const [before, after] = [new Decoded("before"), new Decoded("after")];
  let { z, label } = stage.anchors[0];
  const show = async () => {
    const moves = ranges.map(({ slider, range }) => ({ direction: slider, amount: range.value }));
    const both = new Float32Array(2 * dim);
    both.set(z);
    both.set(move(z, moves), dim);
    const images = await run.decode(both, 2, stage.stream("sliders"), label);
    if (!images) return;
    before.show(images, 0);
    after.show(images, 1);
  };
  const ranges = chosen(stage, run.sliders).map((slider) => {
    const [low, high] = slider.site?.range ?? [-LIMIT, LIMIT];
    const limits = { low: Math.min(low, -0.5), high: Math.max(high, 0.5) };
    const text = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)} std`;
    return { slider, range: new Range({ label: slider.title, ...limits, value: 0, text }, () => void show()) };
  });
  const reset = () => {
    for (const { range } of ranges) range.value = 0;
    return show();
  };
  const other = () => {
    const row = Math.floor(Math.random() * count);
    z = run.latents.slice(row * dim, (row + 1) * dim);
    void show();
  };
  const again = (chosen: number) => {
    label = chosen;
    void show();
  };
  const buttons = [button("Reset", () => void reset()), button("Another image", other)];
  stage.root.append(
    el(
      "div",
      { class: "row" },
      before.element,
      after.element,
      el("div", { class: "stack" }, ...ranges.map(({ range }) => range.element)),
    ),
    el("div", { class: "row" }, ...buttons, ...classChoice(run.entry.classes, label, again)),
  );
  await show();
}

/** The directions that the attribute `names` lists, otherwise the first ones. */
function chosen(stage: Stage, all: Slider[]): Slider[] {
  const names = stage.list("names");
  if (!names.length) return all.slice(0, SHOWN);
  return names.map((name) => {
    const slider = all.find((each) => each.name === name || each.title === name);
    if (slider) return slider;
    throw new Error(`There is no direction “${name}”; there are ${all.map((each) => each.name).join(", ")}.`);
  });
}
