/** Replaying a training: the maps of earlier checkpoints, each aligned with the current one, and their models. */

import { alignment, movedBy, type Motion } from "../latent";
import { Grid } from "../map";
import { movedFrom, type LaidChart, type MapInverse, type Snapshot } from "./laidChart";
import type { Page } from "./page.svelte";
import type { RunState } from "./run.svelte";

const MODELS = 8; // of earlier epochs that the page keeps

/** Add the map that a page shows, after this epoch; of the oldest maps, only the points stay. */
export function remember(snapshots: Snapshot[], { runs: [run] }: Page, epoch: number): void {
  const complete = run.where === "page" && run.latents !== null;
  run.sheets?.clear();
  if (!complete) run.close();
  snapshots.push({ epoch, index: Int32Array.from(run.first.index), positions: run.chart.first.positions, run: complete ? run : null });
  const oldest = snapshots[snapshots.length - 1 - MODELS];
  oldest?.run?.close();
  if (oldest) oldest.run = null;
}

/** Show the run as it was at a snapshot, or (null) with its current chart. */
export function replay(page: Page, current: LaidChart, snapshot: Snapshot | null): void {
  const { run } = page;
  run.past = snapshot?.run ?? null;
  run.chart = snapshot ? chartOf(run, current, snapshot) : current;
  // The pins of another epoch belong to another latent space, but for those of images.
  page.pins = page.pins.flatMap((pin) => (pin.row === null ? [] : [{ ...run.anchor(pin.row), name: pin.name, keyframe: pin.keyframe }]));
  page.hovered = null;
  page.choose(page.pins.length ? page.pins.length - 1 : null); // shows its image
}

/** The current chart with the points where the snapshot had them, turned to fit. */
function chartOf(run: RunState, current: LaidChart, { index, positions, run: past }: Snapshot): LaidChart {
  const now = current.first.positions;
  const rows = new Map(Array.from(index, (number, row) => [number, row]));
  const unknown = new Float32Array(now.length).fill(NaN);
  const then = movedFrom(unknown, run.first.index, positions, (number) => rows.get(number));
  const motion = alignment(then, now);
  const moved = movedBy(motion, then).map((value, i) => (Number.isFinite(value) ? value : now[i]));
  const grid = new Grid(moved);
  const inverse = past ? movedInverse(past.chart.inverse, motion) : current.inverse;
  return { ...current, positions: moved, grid, inverse, first: { positions: moved, grid } };
}

/** The inverse of a chart that was moved. */
function movedInverse(inverse: MapInverse, { to, back }: Motion): MapInverse {
  return {
    fine: true,
    refine: () => undefined,
    inverse: (x, y) => inverse.inverse(...back(x, y)),
    inverseAll: (positions) => inverse.inverseAll(movedBy({ to: back, back: to }, positions)),
    coverage: (x, y) => inverse.coverage(...back(x, y)),
    forward: (z) => {
      const position = inverse.forward(z);
      return position && to(...position);
    },
  };
}
