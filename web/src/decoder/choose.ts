/** Choosing a decoder: in the page if it is available and fast enough, otherwise on the server. */

import type { RunEntry } from "../contract";
import type { Decoder, Encoder, Files } from "../types";
import { pageDecoder, pageEncoder } from "./page";
import { serverDecoder, serverEncoder } from "./server";
import type { Socket } from "./socket";

const MAX_DELAY = 60; // milliseconds per image that still feel immediate

/** `onGpu` is called when the GPU begins to decode. */
export async function chooseDecoder(
  files: Files,
  run: RunEntry,
  socket: Socket | null,
  onGpu: () => void,
): Promise<Decoder> {
  if (!run.image.width) throw new Error("This run was imported without a decoder, so latents cannot be decoded.");
  if (!run.decoder) return serverDecoder(needed(socket, run), run);
  try {
    const own = await pageDecoder(files, run, onGpu);
    if (!socket || (await timeOf(own, run)) <= MAX_DELAY) return own;
    own.close();
  } catch (error) {
    if (!socket) throw error;
  }
  return serverDecoder(socket, run);
}

export async function chooseEncoder(files: Files, run: RunEntry, socket: Socket | null): Promise<Encoder> {
  if (!run.encoder) return serverEncoder(needed(socket, run), run);
  try {
    return await pageEncoder(files, run);
  } catch (error) {
    if (!socket) throw error;
    return serverEncoder(socket, run);
  }
}

/** Milliseconds for one image, after a first one that warms up the runtime. */
async function timeOf(decoder: Decoder, run: RunEntry): Promise<number> {
  const z = Float32Array.from(run.mean);
  const labels = run.classes.length ? [0] : undefined;
  await decoder.decode(z, 1, { labels });
  const started = performance.now();
  await decoder.decode(z, 1, { labels });
  return performance.now() - started;
}

function needed(socket: Socket | null, run: RunEntry): Socket {
  if (socket) return socket;
  throw new Error(`The model of ${run.name} is not on this page. Run: zatlas explore`);
}
