/** A slow walk through dense regions of the map, until a person touches the page. */

import { at, curve, defaultBlend, loop, stack } from "../latent";
import { imageName } from "./anchor";
import type { Page } from "./page.svelte";

const SECONDS = 5; // from one image to the next
const TOUCHES = ["pointermove", "pointerdown", "keydown", "wheel", "hashchange"];

let touched = false; // the page was touched during this visit

/** Play until the first touch; returns a function that stops it. */
export function playTour(page: Page): () => void {
  let playing = !touched;
  const stop = () => (playing = false);
  for (const name of TOUCHES) addEventListener(name, () => (touched = true) && stop(), { once: true, capture: true });
  if (playing) void run();
  return stop;

  async function run() {
    const { run } = page;
    await run.ready;
    const rows = run.dense;
    if (rows.length < 2) return;
    const points = stack(rows.map((row) => run.anchor(row).z));
    const { dim } = run.entry;
    const route = rows.length > 2 ? loop(points, dim, defaultBlend(run.entry)) : curve(points, dim);
    const names = rows.map((row) => imageName(run, row));
    const duration = 1000 * SECONDS * (route.knots.length / dim - 1);
    for (const begun = performance.now(); ; ) {
      const now = await new Promise<number>(requestAnimationFrame);
      if (!playing || page.run !== run) return;
      const t = ((now - begun) / duration) % 1;
      const leg = Math.floor(t * (route.knots.length / dim - 1));
      const about = `between ${names[leg]} and ${names[(leg + 1) % names.length]}`;
      await page.show({ z: at(route, [t]), row: null, name: "tour", about });
    }
  }
}
