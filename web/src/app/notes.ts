/** Short explanations of what the page shows, with buttons that demonstrate them. */

import type { Page } from "./page.svelte";
import { percent, short } from "./format";

export interface Note {
  name: string;
  title: string;
  text: string[];
  tries: { title: string; go: () => void }[];
}

export function notesFor(page: Page): Note[] {
  return [generated(page), charts(page), shell(page), gaps(page), directions(page)].filter((note) => note !== null);
}

function generated(page: Page): Note {
  return {
    name: "generated",
    title: "Generated and real images",
    text: [
      "An orange frame marks an image that the model has just generated; a blue frame marks an image of the data set. Between two points of the map the model generates images that are not in the data set.",
      "Generated images fade where there is no data, because training never corrected the model there.",
    ],
    tries: [{ title: "Decode all positions of the map", go: () => (page.layer = "decoded") }],
  };
}

function charts(page: Page): Note | null {
  const { run } = page;
  if (run.entry.dim < 3) return null;
  const charts = run.charts.filter((chart) => Number.isFinite(chart.trustworthiness));
  const best = [...charts].sort((a, b) => b.trustworthiness - a.trustworthiness)[0];
  const trust = Number.isFinite(run.chart.site.trustworthiness) ? ` This chart has trustworthiness ${short(run.chart.site.trustworthiness)} (1 is best).` : "";
  return {
    name: "chart",
    title: "What a chart cannot show",
    text: [
      `The latent space has ${run.entry.dim} dimensions and the map has two. A chart keeps neighbors together as well as possible. Distances between far groups and the sizes of gaps carry little information.${trust}`,
      "A PCA chart preserves distances, but different latents can fall on the same position. A layout supervised by a label separates its classes, whether the model separates them or not.",
    ],
    tries: charts.map((chart) => ({
      title: `${chart.title}: trustworthiness ${short(chart.trustworthiness)}${chart === best ? ", the best" : ""}`,
      go: () => void run.show(chart.name),
    })),
  };
}

function shell(page: Page): Note | null {
  const { entry } = page.run;
  if (entry.prior === "none" || entry.prior === "mapped" || entry.dim < 8) return null;
  const radius = Math.sqrt(entry.dim);
  return {
    name: "shell",
    title: "Why spherical interpolation",
    text: [
      `In ${entry.dim} dimensions, samples of the prior have norms close to ${short(radius)}: they lie on a thin shell. The midpoint of the straight line between two samples has a norm near ${short(radius / Math.SQRT2)}, where the decoder has seen little data.`,
      "Spherical interpolation stays on the shell. Try both methods between two pins and compare the images at the midpoint.",
    ],
    tries: [
      { title: "Linear interpolation", go: () => void walkBy(page, "lerp") },
      { title: "Spherical interpolation", go: () => void walkBy(page, "slerp") },
    ],
  };
}

function gaps(page: Page): Note {
  const { entry } = page.run;
  const text =
    entry.prior === "none"
      ? "An auto-encoder is trained only to reconstruct its images. Nothing regularizes its latent space, so there are gaps between the latents, and latents in a gap decode to unrealistic images."
      : "A variational auto-encoder encodes each image as a distribution and penalizes its divergence from the prior, so the distributions close most gaps. Faded regions between the points show the remaining ones.";
  return {
    name: "gaps",
    title: entry.prior === "none" ? "The gaps of an auto-encoder" : "Why there are few gaps",
    text: [text, "The images of a walk fade where it crosses a gap."],
    tries: [{ title: "Walk between two distant images", go: () => void walkBy(page, "lerp") }],
  };
}

function directions(page: Page): Note | null {
  const slider = page.run.sliders.filter((item) => item.site?.score).sort((a, b) => b.site!.score!.auc - a.site!.score!.auc)[0];
  if (!slider) return null;
  const { auc, random_limit: shuffled } = slider.site!.score!;
  return {
    name: "directions",
    title: "When is a direction meaningful?",
    text: [
      `The direction ${slider.title} leads from the mean of the latents without the attribute to the mean of those with it. Its AUC on held-out images is ${percent(auc)}; directions fitted to shuffled labels reach ${percent(shuffled)}. A direction that does no better has no meaning.`,
      "A direction also changes attributes that are correlated with it in the data. Open “side effects” and select “hold constant” to keep an attribute unchanged.",
    ],
    tries: [
      {
        title: `Move ${slider.title}`,
        go: () => {
          page.panel = "sliders";
          page.sliders.set(slider.name, 2);
        },
      },
    ],
  };
}

async function walkBy(page: Page, method: "lerp" | "slerp"): Promise<void> {
  if (page.pins.length < 2) await page.pinApart();
  page.walk.method = method;
  await page.walk.remake();
  await page.walk.go(0.5);
}
