/** Decoder, encoder and classifier that run in the page. */

import type { RunEntry, ClassifierFile } from "../contract";
import type { Decoder, Encoder, Files, Images } from "../types";
import { Queue } from "./queue";
import { openModel } from "./thread";

export async function pageDecoder(files: Files, run: RunEntry): Promise<Decoder> {
  if (!run.decoder) throw new Error(`The decoder of ${run.name} is not on this page.`);
  const model = await openModel(files, run.decoder);
  const queue = new Queue(run.dim, (z, n, labels) => model.decode(z, n, labels));
  return {
    where: "page",
    decode: (z, n, options) => queue.request(z, n, options),
    close: () => {
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
