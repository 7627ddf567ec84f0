/** Requests to the server: decoding, encoding, geodesics, nearest latents, real images, charts. */

import type { ServerAnswer, ChartEntry, RunEntry } from "../contract";
import type { Decoder, Encoder, Images } from "../types";
import type { Neighbors } from "../latent/nearest";
import { toBytes, toImages } from "./images";
import { Queue } from "./queue";
import type { RequestBody, Reply, Socket } from "./socket";

export type ServedRun = Pick<RunEntry, "id" | "dim" | "image" | "coarse">;

export function serverDecoder(socket: Socket, run: ServedRun): Decoder {
  // One request is in flight at a time, so the newest of a stream wins before it is sent.
  const queueOf = (coarse?: true) =>
    new Queue(run.dim, async (z, n, labels) =>
      imagesOf(await requestFrom(socket, { kind: "decode", run: run.id, n, labels, coarse }, "images", z)),
    );
  const queue = queueOf();
  const quick = run.coarse ? queueOf(true) : null; // previews do not wait for complete images
  return {
    where: "server",
    decode: (z, n, options) => queue.request(z, n, options),
    coarse: quick ? (z, n, options) => quick.request(z, n, options) : undefined,
    close: () => [queue, quick].forEach((each) => each?.close()),
  };
}

export function serverEncoder(socket: Socket, run: ServedRun): Encoder {
  return {
    where: "server",
    encode: async (images, labels) => {
      const bytes = toBytes(images, run.image.channels);
      const body: RequestBody = { kind: "encode", run: run.id, n: images.count, labels };
      return new Float32Array((await requestFrom(socket, body, "latents", bytes)).payload);
    },
  };
}

/** The geodesic between two latents, as rows. */
export async function geodesic(
  socket: Socket,
  run: ServedRun,
  from: Float32Array,
  to: Float32Array,
  label?: number,
): Promise<Float32Array> {
  const ends = Float32Array.of(...from, ...to);
  const body: RequestBody = { kind: "geodesic", run: run.id, label };
  return new Float32Array((await requestFrom(socket, body, "latents", ends)).payload);
}

/** The nearest latents of the whole data set, by row of `table`. */
export async function nearestLatents(
  socket: Socket,
  run: ServedRun,
  z: Float32Array,
  k: number,
  stream?: string,
): Promise<Neighbors | null> {
  const body: RequestBody = { kind: "neighbors", run: run.id, n: z.length / run.dim, k, stream };
  const reply = await socket.request(body, z);
  if (reply.kind === "dropped") return null;
  const { shape, payload } = expect(reply, "neighbors");
  const size = shape[0] * shape[1];
  return { k: shape[1], rows: new Int32Array(payload, 0, size), distances: new Float32Array(payload, 4 * size, size) };
}

/** The real image of a row of `table`, in full size. */
export async function realImage(socket: Socket, run: ServedRun, row: number): Promise<Images> {
  return imagesOf(await requestFrom(socket, { kind: "image", run: run.id, row }, "images"));
}

/** The latent of a row of `table`. */
export async function latentOf(socket: Socket, run: ServedRun, row: number): Promise<Float32Array> {
  const reply = await requestFrom(socket, { kind: "latent", run: run.id, row }, "latents");
  return new Float32Array(reply.payload);
}

/** A chart that the server computes now, with the positions of the points. */
export async function newChart(
  socket: Socket,
  run: ServedRun,
  layout: string,
  by?: string,
): Promise<{ chart: ChartEntry; positions: Float32Array }> {
  const reply = await requestFrom(socket, { kind: "chart", run: run.id, layout, by }, "chart");
  return { chart: reply.chart, positions: new Float32Array(reply.payload) };
}

/** Save a timeline in the run; returns the file. */
export async function saveTimeline(socket: Socket, run: ServedRun, name: string, json: string): Promise<string> {
  const body: RequestBody = { kind: "timeline", run: run.id, name };
  return (await requestFrom(socket, body, "saved", new TextEncoder().encode(json))).path;
}

type Of<K extends ServerAnswer["kind"]> = Extract<ServerAnswer, { kind: K }> & { payload: ArrayBuffer };

async function requestFrom<K extends ServerAnswer["kind"]>(
  socket: Socket,
  body: RequestBody,
  kind: K,
  payload?: ArrayBufferView,
): Promise<Of<K>> {
  return expect(await socket.request(body, payload), kind);
}

function expect<K extends ServerAnswer["kind"]>(reply: Reply, kind: K): Of<K> {
  if (reply.kind !== kind) throw new Error(`The server answered ${reply.kind} instead of ${kind}.`);
  return reply as Of<K>;
}

function imagesOf({ shape, payload }: Of<"images">): Images {
  return toImages(new Uint8Array(payload), shape, 255);
}
