/** Decoder, encoder and classifier that run in the page. */

import type { RunEntry, ClassifierFile } from "../contract";
import type { Decoder, Encoder, Files, Images } from "../types";
import { quickerOnGpu } from "./gpu";
import { Queue } from "./queue";
import { openModel } from "./thread";

export async function pageDecoder(files: Files, run: RunEntry, onGpu?: () => void): Promise<Decoder> {
  if (!run.decoder) throw new Error(`The decoder of ${run.name} is not on this page.`);
  let model = await openModel(files, run.decoder);
  let closed = false;
  const queue = new Queue(run.dim, (z, n, labels) => model.decode(z, n, labels));
  void quickerOnGpu(files, run, model).then((gpu) => {
    if (!gpu) return;
    if (closed) return gpu.close();
    model.close();
    model = gpu;
    onGpu?.();
  });
  return {
    where: "page",
    decode: (z, n, options) => queue.request(z, n, options),
    close: () => {
      closed = true;
      queue.close();
      model.close();
    },
  };
}

export async function pageEncoder(files: Files, run: RunEntry): Promise<Encoder> {
  if (!run.encoder) throw new Error(`The encoder of ${run.name} is not on this page.`);
  const model = await openModel(files, run.encoder);
  return { where: "page", encode: (images, labels) => model.encode(images, run.image.channels, labels) };
}

/** A classifier as a function from images to a row of predictions each. */
export async function pageClassifier(
  files: Files,
  run: RunEntry,
  classifier: ClassifierFile,
): Promise<(images: Images) => Promise<Float32Array>> {
  const model = await openModel(files, classifier);
  return (images) => model.encode(images, run.image.channels);
}
