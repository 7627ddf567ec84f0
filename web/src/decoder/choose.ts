/** Which decoder a page uses: its own where that is possible and quick enough, else the server's. */

import type { Decoder, Encoder, Files, RunSite } from "../contract";
import { pageDecoder, pageEncoder } from "./page";
import { serverDecoder, serverEncoder } from "./server";
import type { Socket } from "./socket";

const SLOW = 60; // milliseconds an image, beyond which a hand feels it

export async function chooseDecoder(
  files: Files,
  run: RunSite,
  socket: Socket | null,
): Promise<Decoder> {
  if (!run.image.width) throw new Error("These codes came without a decoder: there is a map, and no pictures of places.");
  if (!run.decoder) return serverDecoder(needed(socket, run), run);
  try {
    const own = await pageDecoder(files, run);
    if (!socket || (await timeOf(own, run)) <= SLOW) return own;
    own.close();
  } catch (error) {
    if (!socket) throw error;
  }
  return serverDecoder(socket, run);
}

export async function chooseEncoder(
  files: Files,
  run: RunSite,
  socket: Socket | null,
): Promise<Encoder> {
  if (!run.encoder) return serverEncoder(needed(socket, run), run);
  try {
    return await pageEncoder(files, run);
  } catch (error) {
    if (!socket) throw error;
    return serverEncoder(socket, run);
  }
}

/** Of the second image: the first one waits for what is made only once. */
async function timeOf(decoder: Decoder, run: RunSite): Promise<number> {
  const z = Float32Array.from(run.middle);
  const labels = run.told.length ? [0] : undefined;
  await decoder.decode(z, 1, { labels });
  const started = performance.now();
  await decoder.decode(z, 1, { labels });
  return performance.now() - started;
}

function needed(socket: Socket | null, run: RunSite): Socket {
  if (socket) return socket;
  throw new Error(`The model of ${run.name} is not on this page: open it with “zatlas explore”.`);
}
