/** Moves the decoder of large images to the GPU, if that gives the same images sooner. */

import { GPU_PIXELS, type RunEntry } from "../contract";
import type { Files, Images } from "../types";
import { hasGpu } from "./runtime";
import { type Model, openModel } from "./thread";

const MAX_DIFFERENCE = 2; // grey levels between the images of both engines

/** The model in the GPU's worker; null if it is no quicker, if its images differ, or if there is no GPU. */
export async function quickerOnGpu(files: Files, run: RunEntry, model: Model): Promise<Model | null> {
  if (!run.decoder || run.image.width * run.image.height < GPU_PIXELS) return null;
  let gpu: Model | null = null;
  try {
    if (!(await hasGpu())) return null;
    gpu = await openModel(files, run.decoder, "webgpu");
    const [before, after] = [await timed(model, run), await timed(gpu, run)];
    if (after.time < before.time && difference(before.images, after.images) <= MAX_DIFFERENCE) return gpu;
    gpu.close();
  } catch (error) {
    console.info(`The processor decodes, because the GPU does not: ${String(error)}`);
    gpu?.close();
  }
  return null;
}

/** The images at two latents, and the milliseconds for them, after a first time that is not counted. */
async function timed(model: Model, run: RunEntry): Promise<{ images: Images; time: number }> {
  const z = Float32Array.from([...run.mean, ...run.mean.map((value, i) => value + run.std[i])]);
  const decode = () => model.decode(z.slice(), 2, run.classes.length ? [0, 0] : undefined);
  await decode();
  const started = performance.now();
  const images = await decode();
  return { images, time: performance.now() - started };
}

/** The largest difference between two pixels. */
function difference(one: Images, other: Images): number {
  return one.rgba.reduce((most, value, i) => Math.max(most, Math.abs(value - other.rgba[i])), 0);
}
