/** What the server does for a page: decoding, encoding, and what a page cannot do. */

import type { Answer, ChartSite, Decoder, Encoder, Pictures, RunSite } from "../contract";
import type { Near } from "../latent/nearest";
import { toBytes, toPictures } from "./images";
import { Queue } from "./queue";
import type { Question, Reply, Socket } from "./socket";

export type ServedRun = Pick<RunSite, "id" | "dim" | "image">;

export function serverDecoder(socket: Socket, run: ServedRun): Decoder {
  // One ask is on its way at a time: so the latest wins here, before anything is sent.
  const queue = new Queue(run.dim, async (z, n, labels) =>
    picturesOf(await asked(socket, { kind: "decode", run: run.id, n, labels }, "images", z)),
  );
  return {
    where: "server",
    decode: (z, n, options) => queue.ask(z, n, options),
    close: () => queue.close(),
  };
}

export function serverEncoder(socket: Socket, run: ServedRun): Encoder {
  return {
    where: "server",
    encode: async (pictures, labels) => {
      const bytes = toBytes(pictures, run.image.channels);
      const question: Question = { kind: "encode", run: run.id, n: pictures.count, labels };
      return new Float32Array((await asked(socket, question, "points", bytes)).payload);
    },
  };
}

/** The way between two points along which the images change least: rows of points. */
export async function geodesic(
  socket: Socket,
  run: ServedRun,
  from: Float32Array,
  to: Float32Array,
  label?: number,
): Promise<Float32Array> {
  const ends = Float32Array.of(...from, ...to);
  const question: Question = { kind: "geodesic", run: run.id, label };
  return new Float32Array((await asked(socket, question, "points", ends)).payload);
}

/** The nearest codes of all the data; rows are those of `points`. */
export async function nearestCodes(
  socket: Socket,
  run: ServedRun,
  z: Float32Array,
  k: number,
  stream?: string,
): Promise<Near | null> {
  const question: Question = { kind: "nearest", run: run.id, n: z.length / run.dim, k, stream };
  const reply = await socket.ask(question, z);
  if (reply.kind === "dropped") return null;
  const { shape, payload } = expect(reply, "near");
  const size = shape[0] * shape[1];
  return {
    k: shape[1],
    rows: new Int32Array(payload, 0, size),
    distances: new Float32Array(payload, 4 * size, size),
  };
}

/** The real image of a row of `points`, in full size. */
export async function realImage(socket: Socket, run: ServedRun, row: number): Promise<Pictures> {
  return picturesOf(await asked(socket, { kind: "image", run: run.id, row }, "images"));
}

/** The code of a row of `points`. */
export async function codeOf(socket: Socket, run: ServedRun, row: number): Promise<Float32Array> {
  const reply = await asked(socket, { kind: "code", run: run.id, row }, "points");
  return new Float32Array(reply.payload);
}

/** A chart that is made now, and the places of the points on it. */
export async function newChart(
  socket: Socket,
  run: ServedRun,
  layout: string,
  by?: string,
): Promise<{ chart: ChartSite; x: Float32Array; y: Float32Array }> {
  const reply = await asked(socket, { kind: "chart", run: run.id, layout, by }, "chart");
  const places = new Float32Array(reply.payload);
  const every = (from: number) => places.filter((_, i) => i % 2 === from);
  return { chart: reply.chart, x: every(0), y: every(1) };
}

type Of<K extends Answer["kind"]> = Extract<Answer, { kind: K }> & { payload: ArrayBuffer };

async function asked<K extends Answer["kind"]>(
  socket: Socket,
  question: Question,
  kind: K,
  payload?: ArrayBufferView,
): Promise<Of<K>> {
  return expect(await socket.ask(question, payload), kind);
}

function expect<K extends Answer["kind"]>(reply: Reply, kind: K): Of<K> {
  if (reply.kind !== kind) throw new Error(`The server answered ${reply.kind} where ${kind} was asked for.`);
  return reply as Of<K>;
}

function picturesOf({ shape, payload }: Of<"images">): Pictures {
  return toPictures(new Uint8Array(payload), shape, 255);
}
