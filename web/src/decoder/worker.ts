/** The worker that decodes and encodes, so that the page never blocks. */

import type { Ort } from "./sessions";
import { Sessions } from "./sessions";
import type { Runtime } from "./runtime";
import type { Order, Task } from "./thread";

interface Environment {
  env: {
    wasm: { numThreads: number; proxy: boolean; wasmPaths: { mjs: string; wasm?: string }; wasmBinary?: ArrayBuffer };
  };
}

/** At most, so that the page and other programs keep as many. */
const THREADS = Math.min(Math.max(Math.floor(navigator.hardwareConcurrency / 2), 1), 4);

let sessions: Promise<Sessions>;
let before: Promise<unknown> = Promise.resolve(); // the runtime runs one task at a time

self.onmessage = ({ data }: MessageEvent<Order>) => {
  before = before.then(async () => {
    try {
      const value = await perform(data.task);
      const own = ArrayBuffer.isView(value) ? [value.buffer] : value ? [value.rgba.buffer] : [];
      self.postMessage({ id: data.id, value }, { transfer: own });
    } catch (error) {
      self.postMessage({ id: data.id, error: String(error instanceof Error ? error.message : error) });
    }
  });
};

async function perform(task: Task) {
  if (task.kind === "start") {
    sessions = start(task.runtime);
    await sessions;
    return;
  }
  const open = await sessions;
  if (task.kind === "open") return open.open(task.model, task.bytes);
  if (task.kind === "close") return open.close(task.model);
  if (task.kind === "decode") return open.decode(task.model, task.z, task.n, task.labels);
  return open.encode(task.model, task.images, task.channels, task.labels);
}

async function start({ engine, script, glue, wasm }: Runtime): Promise<Sessions> {
  const ort: Ort & Environment = await import(/* @vite-ignore */ addressOf(script));
  const settings = ort.env.wasm;
  settings.numThreads = self.crossOriginIsolated ? THREADS : 1; // more threads need headers that few hosts send
  settings.proxy = false; // this is a worker already
  settings.wasmPaths = { mjs: addressOf(glue) };
  if (typeof wasm === "string") settings.wasmPaths.wasm = wasm;
  else settings.wasmBinary = wasm;
  return new Sessions(ort, engine);
}

/** A page opened from disk cannot share blobs with its workers, so they are created here. */
function addressOf(file: string | ArrayBuffer): string {
  if (typeof file === "string") return file;
  return URL.createObjectURL(new Blob([file], { type: "text/javascript" }));
}
