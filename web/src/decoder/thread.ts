/** The worker of each engine that runs models, and messages to it. */

import type { ModelFile } from "../contract";
import type { Files, Images } from "../types";
import { type Engine, locateRuntime, type Runtime } from "./runtime";
import DecoderThread from "./worker?worker";

export type Task =
  | { kind: "start"; runtime: Runtime }
  | { kind: "open"; model: string; bytes: ArrayBuffer }
  | { kind: "close"; model: string }
  | { kind: "decode"; model: string; z: Float32Array; n: number; labels?: number[] }
  | { kind: "encode"; model: string; images: Images; channels: number; labels?: number[] };

export interface Order {
  id: number;
  task: Task;
}

type Result = { id: number; value?: unknown; error?: string };
type Pending = { answer: (value: unknown) => void; fail: (error: Error) => void };

const shared = new Map<Engine, { starting: Promise<Thread>; open: number }>(); // with its number of models

/** Open a model in the engine's worker; the first starts the worker, and closing the last one ends it. */
export async function openModel(files: Files, file: ModelFile, engine: Engine = "wasm"): Promise<Model> {
  const used = shared.get(engine) ?? { starting: startThread(files, engine), open: 0 };
  shared.set(engine, used);
  used.open++;
  try {
    const [thread, bytes] = await Promise.all([used.starting, files.bytes(file.url)]);
    const name = `${file.url} ${thread.opened++}`;
    await thread.send({ kind: "open", model: name, bytes });
    return new Model(thread, name);
  } catch (error) {
    await leave(engine);
    throw error;
  }
}

export class Model {
  #closed = false;

  constructor(
    readonly thread: Thread,
    readonly name: string,
  ) {}

  decode(z: Float32Array, n: number, labels?: number[]): Promise<Images> {
    return this.thread.send({ kind: "decode", model: this.name, z, n, labels }) as Promise<Images>;
  }

  encode(images: Images, channels: number, labels?: number[]): Promise<Float32Array> {
    const task: Task = { kind: "encode", model: this.name, images, channels, labels };
    return this.thread.send(task) as Promise<Float32Array>;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.thread.send({ kind: "close", model: this.name }).catch(() => {});
    void leave(this.thread.engine);
  }
}

class Thread {
  opened = 0;
  #pending = new Map<number, Pending>();
  #lastId = 0;
  #ended: Error | null = null;

  constructor(
    readonly worker: Worker,
    readonly engine: Engine,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Result>) => this.#settle(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(new Error(event.message || "The thread that decodes could not be started."));
    };
  }

  send(task: Task): Promise<unknown> {
    const order: Order = { id: ++this.#lastId, task };
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((answer, fail) => {
      this.#pending.set(order.id, { answer, fail });
      this.worker.postMessage(order);
    });
  }

  end(error: Error): void {
    this.#ended = error;
    this.worker.terminate();
    for (const { fail } of this.#pending.values()) fail(error);
    this.#pending.clear();
  }

  #settle({ id, value, error }: Result): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.answer(value);
    else pending?.fail(new Error(error));
  }
}

async function startThread(files: Files, engine: Engine): Promise<Thread> {
  const thread = new Thread(new DecoderThread(), engine);
  try {
    await thread.send({ kind: "start", runtime: await locateRuntime(files, engine) });
    return thread;
  } catch (error) {
    thread.end(error as Error);
    throw error;
  }
}

async function leave(engine: Engine): Promise<void> {
  const used = shared.get(engine);
  if (!used || --used.open > 0) return;
  shared.delete(engine);
  const thread = await used.starting.catch(() => null);
  thread?.end(new Error("The model was closed."));
}
