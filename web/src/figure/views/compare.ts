/** Two runs of the same images: a position is decoded by one, and its nearest image is marked in both. */

import { el, Decoded } from "../dom";
import { Plane } from "../plane";
import type { FigureRun } from "../run";
import type { Stage } from "../stage";
import { legendOf } from "./map";

interface Side {
  run: FigureRun;
  plane: Plane;
  image: Decoded;
}

export async function compare(stage: Stage): Promise<void> {
  const [a, b] = stage.runs;
  if (!b) throw new Error("This figure compares two runs. Write it with: zatlas export RUN OTHER FOLDER --figure compare");
  const sides: Side[] = [a, b].map((run, i) => {
    const plane = new Plane(stage, run, (x, y) => void follow(i, x, y));
    return { run, plane, image: new Decoded(run.entry.name) };
  });
  const linked = a.entry.fingerprint === b.entry.fingerprint && a.entry.count === b.entry.count;

  async function follow(from: number, x: number, y: number): Promise<void> {
    const [here, there] = [sides[from], sides[1 - from]];
    const row = here.run.grid.nearest(x, y, Infinity);
    const own = decode(here, here.run.inverse.inverse(x, y), labelOf(here.run, row));
    if (linked && row >= 0) {
      const { positions, latents, entry } = there.run;
      there.plane.set(positions[2 * row], positions[2 * row + 1]);
      await decode(there, latents.slice(row * entry.dim, (row + 1) * entry.dim), labelOf(there.run, row));
    }
    await own;
  }

  async function decode({ run, image }: Side, z: Float32Array, label: number): Promise<void> {
    const images = await run.decode(z, 1, stage.stream(`compare ${run.entry.id}`), label);
    if (images) image.show(images);
  }

  const columns = sides.map(({ plane, image, run }) =>
    el("div", { class: "stack" }, el("figcaption", {}, run.entry.summary), plane.canvas, el("div", { class: "row" }, image.element)),
  );
  stage.root.append(el("div", { class: "row" }, ...columns), legendOf(stage, sides[0].plane));
  const [x, y] = a.inverse.forward(stage.anchors[0].z) ?? [a.positions[0], a.positions[1]];
  sides[0].plane.set(x, y);
  await follow(0, x, y);
}

/** The class of a point for a conditional model; 0 for others. */
function labelOf({ entry, table }: FigureRun, row: number): number {
  const column = entry.columns.find(({ name }) => name === "label");
  if (!entry.classes.length || !column || row < 0) return 0;
  return Math.max(entry.classes.indexOf(column.values?.[table.classOf("label")[row]] ?? ""), 0);
}
