/** Decodes and encodes in the page itself. */

import type { Decoder, Encoder, Files, Pictures, RunSite, ScorerFile } from "../contract";
import { Queue } from "./queue";
import { openModel } from "./thread";

export async function pageDecoder(files: Files, run: RunSite): Promise<Decoder> {
  if (!run.decoder) throw new Error(`The decoder of ${run.name} is not on this page.`);
  const model = await openModel(files, run.decoder);
  const queue = new Queue(run.dim, (z, n, labels) => model.decode(z, n, labels));
  return {
    where: "page",
    decode: (z, n, options) => queue.ask(z, n, options),
    close: () => {
      queue.close();
      model.close();
    },
  };
}

export async function pageEncoder(files: Files, run: RunSite): Promise<Encoder> {
  if (!run.encoder) throw new Error(`The encoder of ${run.name} is not on this page.`);
  const model = await openModel(files, run.encoder);
  return {
    where: "page",
    encode: (pictures, labels) => model.encode(pictures, run.image.channels, labels),
  };
}

/** What a scorer reads of pictures: a row of numbers each. */
export async function pageScorer(
  files: Files,
  run: RunSite,
  scorer: ScorerFile,
): Promise<(pictures: Pictures) => Promise<Float32Array>> {
  const model = await openModel(files, scorer);
  return (pictures) => model.encode(pictures, run.image.channels);
}
