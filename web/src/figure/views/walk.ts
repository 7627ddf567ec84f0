/** A walk between latents by one method or several, with the norm of the latent along the curve. */

import { at, type Blend, type Curve, curve, defaultBlend } from "../../latent/curves";
import { norm, row, stack } from "../../latent/vectors";
import { SHELL } from "../../contract";
import { button, choice, classChoice, el, Decoded, Range } from "../dom";
import type { Stage } from "../stage";
import { NormPlot } from "./norms";

const SECONDS = 4; // of a walk that plays
const PER_STOP = 160; // points of the plot

export async function walk(stage: Stage): Promise<void> {
  const [run] = stage.runs;
  const { dim } = run.entry;
  const wanted = stage.list("methods") as Blend[];
  const methods = wanted.length ? wanted : [defaultBlend(run.entry)];
  for (const method of methods) if (method !== "lerp" && method !== "slerp") throw new Error(`methods="${method}": write lerp, slerp, or both with a comma.`);
  const outputs = methods.map((method) => new Decoded(method));
  let label = stage.anchors[0].label;
  let curves: Curve[] = [];
  let [playing, ended] = [false, false];
  const plot = dim >= SHELL ? new NormPlot(run.latents, dim, methods) : null;

  const range = new Range({ label: "Position", low: 0, high: 1, value: 0.5, text: (t) => `${Math.round(100 * t)} %` }, () => {
    playing = false;
    play.textContent = "Play";
    void show();
  });
  const show = async () => {
    const t = range.value;
    plot?.mark(t);
    const z = stack(curves.map((each) => at(each, [t])));
    const images = await run.decode(z, methods.length, stage.stream("walk"), label);
    if (!images) return;
    outputs.forEach((image, i) => {
      const length = norm(row(z, dim, i)).toFixed(1);
      image.title(plot ? `${methods[i]}, norm ${length}` : methods[i], `${methods[i]} at ${Math.round(100 * t)} %`);
      image.show(images, i);
    });
  };
  const lay = (knots: Float32Array[]) => {
    curves = methods.map((method) => curve(stack(knots), dim, method));
    const times = Float64Array.from({ length: PER_STOP + 1 }, (_, i) => i / PER_STOP);
    plot?.draw(curves.map((each) => {
      const rows = at(each, times);
      return Array.from(times, (_, i) => norm(row(rows, dim, i)));
    }));
    return show();
  };
  const turn = async (before: number) => {
    const now = performance.now();
    const t = range.value + (now - before) / 1000 / SECONDS;
    range.value = Math.min(t, 1);
    await show();
    ended = t >= 1;
    if (ended) playing = false;
    if (playing && stage.host.isConnected) requestAnimationFrame(() => void turn(now));
    else play.textContent = "Play";
  };
  const play = button("Play", () => {
    playing = !playing;
    play.textContent = playing ? "Stop" : "Play";
    if (!playing) return;
    if (ended || range.value >= 1) range.value = 0;
    void turn(performance.now());
  });
  const ends = [0, stage.anchors.length - 1]; // with the attribute `pick`, anchors that the reader chooses
  const picks = stage.attribute("pick") === null ? [] : ["From", "to"].map((title, i) =>
    choice(title, stage.anchors.map(({ name }) => name), ends[i], (chosen) => {
      ends[i] = chosen;
      void lay(ends.map((end) => stage.anchors[end].z));
    }),
  );
  const others = button("Other ends", () => {
    const pick = () => Math.floor(Math.random() * run.entry.count);
    void lay([pick(), pick()].map((i) => run.latents.slice(i * dim, (i + 1) * dim)));
  });
  const again = (chosen: number) => {
    label = chosen;
    void show();
  };
  stage.root.append(
    el("div", { class: "row" }, ...outputs.map((image) => image.element)),
    range.element,
    el("div", { class: "row" }, ...picks, play, ...(picks.length ? [] : [others]), ...classChoice(run.entry.classes, label, again)),
    ...(plot ? [plot.element] : []),
  );
  await lay((picks.length ? ends.map((end) => stage.anchors[end]) : stage.anchors).map(({ z }) => z));
}
