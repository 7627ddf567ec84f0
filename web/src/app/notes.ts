/** The notes in the margin: what one sees, why, and where on the page to see it. */

import type { Page } from "./page.svelte";
import { percent, short } from "./words";

export interface Note {
  name: string;
  title: string;
  text: string[];
  tries: { title: string; go: () => void }[];
}

export function notesFor(page: Page): Note[] {
  return [imagined(page), charted(page), arcs(page), holes(page), meaning(page)].filter((note) => note !== null);
}

function imagined(page: Page): Note {
  return {
    name: "imagined",
    title: "What is imagined, and what is real",
    text: [
      "A picture framed in orange was made by the model just now; one framed in blue is an image of the data. The model has never seen what lies between two points of the map: it imagines it.",
      "Where there is no data, its pictures fade into the paper: there they are a guess that nothing has ever corrected.",
    ],
    tries: [{ title: "Fill the map with what it imagines", go: () => (page.imagine = true) }],
  };
}

function charted(page: Page): Note | null {
  const { run } = page;
  if (run.entry.dim < 3) return null;
  const known = run.charts.filter((chart) => Number.isFinite(chart.trust));
  const best = [...known].sort((a, b) => b.trust - a.trust)[0];
  const trust = Number.isFinite(run.chart.site.trust) ? ` Of this one, ${short(run.chart.site.trust)} of 1 can be trusted.` : "";
  return {
    name: "chart",
    title: "What the map hides",
    text: [
      `The model counts in ${run.entry.dim} numbers, and paper has two. A chart keeps neighbours together as well as it can and gives up the rest: distances between far groups and the sizes of gaps mean little.${trust}`,
      "A chart of principal axes is honest about distances, but lets what differs fall on one place. One laid out by a label pulls apart what the label tells apart, whether the model does or not.",
    ],
    tries: known.map((chart) => ({
      title: `${chart.title}: trust ${short(chart.trust)}${chart === best ? ", the most" : ""}`,
      go: () => void run.show(chart.name),
    })),
  };
}

function arcs(page: Page): Note | null {
  const { entry } = page.run;
  if (entry.prior === "none" || entry.dim < 8) return null;
  const shell = Math.sqrt(entry.dim);
  return {
    name: "shell",
    title: "Why the arc, and what the shell is",
    text: [
      `In ${entry.dim} dimensions, almost nothing of a ball is near its middle. Points drawn from the prior all lie about ${short(shell)} from it, on a thin shell. Half-way along the straight line between two of them one is at ${short(shell / Math.SQRT2)}: a place that the decoder rarely met.`,
      "The arc keeps to the shell. Walk both ways between two places and compare the pictures in the middle.",
    ],
    tries: [
      { title: "Walk along the line", go: () => void walkBy(page, "lerp") },
      { title: "Walk along the arc", go: () => void walkBy(page, "slerp") },
    ],
  };
}

function holes(page: Page): Note {
  const { entry } = page.run;
  const text =
    entry.prior === "none"
      ? "An auto-encoder is only asked to bring its images back. Nothing tells it to use the space well, so it leaves holes, and a place in a hole decodes to nothing in particular."
      : "A variational auto-encoder spreads each image over a small cloud and is charged for leaving the prior, so the clouds close the holes. What is left of them can be seen here too: look for faded places amid the points.";
  return {
    name: "holes",
    title: entry.prior === "none" ? "The holes of an auto-encoder" : "Why there are few holes",
    text: [text, "A walk that crosses a hole fades there, and comes back on the other side."],
    tries: [{ title: "Walk between two far places", go: () => void walkBy(page, "lerp") }],
  };
}

function meaning(page: Page): Note | null {
  const knob = page.run.knobs.filter((one) => one.site?.score).sort((a, b) => b.site!.score!.area - a.site!.score!.area)[0];
  if (!knob) return null;
  const { area, chance } = knob.site!.score!;
  return {
    name: "directions",
    title: "When is a direction real?",
    text: [
      `A direction such as ${knob.title} leads from the mean of the images without it to the mean of those with it. On images held out it tells one from the other in ${percent(area)} of pairs; directions of shuffled labels reach ${percent(chance)}. One that does no better is a story we tell ourselves.`,
      "A direction also takes along whatever goes with it in the data. See what else it moves, and take that out with “without”.",
    ],
    tries: [
      {
        title: `Turn ${knob.title}`,
        go: () => {
          page.panel = "knobs";
          page.knobs.set(knob.name, 2);
        },
      },
    ],
  };
}

async function walkBy(page: Page, way: "lerp" | "slerp"): Promise<void> {
  if (page.pins.length < 2) await page.pinApart();
  page.walk.way = way;
  await page.walk.remake();
  await page.walk.go(0.5);
}
