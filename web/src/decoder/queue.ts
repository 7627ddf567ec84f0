/** A queue of decode requests: the newest of a stream replaces older ones, long ones run in slices, short ones go between. */

import type { Images } from "../types";

export type Decode = (z: Float32Array, n: number, labels?: number[]) => Promise<Images>;

const FRAME = 16; // milliseconds that a slice may take
const LARGEST = 64; // images of a slice

type Kind = "quick" | "plain" | "long"; // few images of a stream, no stream, many images of a stream

interface Job {
  z: Float32Array;
  n: number;
  labels?: number[];
  stream?: string;
  begun: number; // images decoded so far
  result: Images | null;
  answer: (images: Images | null) => void;
  fail: (error: unknown) => void;
}

export class Queue {
  #jobs: Job[] = [];
  #busy = false;
  #closed = false;
  #cost = 1; // milliseconds per image
  #quick = false; // whether the last turn was quick
  #rest: Kind = "long"; // kind of the last turn that was not quick

  constructor(
    readonly dim: number,
    readonly decode: Decode,
  ) {}

  request(z: Float32Array, n: number, options: { labels?: number[]; stream?: string } = {}): Promise<Images | null> {
    if (this.#closed) return Promise.resolve(null);
    return new Promise((answer, fail) => {
      if (options.stream) this.#drop((job) => job.stream === options.stream && !job.begun);
      this.#jobs.push({ z, n, ...options, begun: 0, result: null, answer, fail });
      if (!this.#busy) void this.#work();
    });
  }

  /** Resolve all waiting and later requests with null. */
  close(): void {
    this.#closed = true;
    this.#drop(() => true);
  }

  #drop(which: (job: Job) => boolean): void {
    for (const job of this.#jobs.filter(which)) job.answer(null);
    this.#jobs = this.#jobs.filter((job) => !which(job));
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let job = this.#next(); job; job = this.#next()) {
      try {
        await this.#slice(job);
      } catch (error) {
        this.#jobs = this.#jobs.filter((other) => other !== job);
        job.fail(error);
      }
    }
    this.#busy = false;
  }

  /** Quick requests get every other turn; long streams and requests without a stream share the others. */
  #next(): Job | undefined {
    const rest: Kind[] = this.#rest === "plain" ? ["long", "plain"] : ["plain", "long"];
    const order: Kind[] = this.#quick ? [...rest, "quick"] : ["quick", ...rest];
    for (const kind of order) {
      const job = this.#jobs.find((item) => this.#kind(item) === kind);
      if (!job) continue;
      this.#quick = kind === "quick";
      if (!this.#quick) this.#rest = kind;
      return job;
    }
    return undefined;
  }

  #kind(job: Job): Kind {
    if (!job.stream) return "plain";
    return job.n <= this.#size && !job.begun ? "quick" : "long";
  }

  get #size(): number {
    return Math.min(Math.max(Math.round(FRAME / this.#cost), 1), LARGEST);
  }

  async #slice(job: Job): Promise<void> {
    const from = job.begun;
    const count = Math.min(job.n - from, this.#size);
    job.begun += count; // a request that has begun is not dropped
    const z = job.z.slice(from * this.dim, (from + count) * this.dim);
    const started = performance.now();
    const part = await this.decode(z, count, job.labels?.slice(from, from + count));
    const cost = (performance.now() - started) / Math.max(count, 1);
    this.#cost += 0.3 * (Math.max(cost, 0.01) - this.#cost);
    join(job, part, from);
    if (job.begun < job.n) return;
    this.#jobs = this.#jobs.filter((other) => other !== job);
    job.answer(job.result);
  }
}

function join(job: Job, part: Images, from: number): void {
  if (part.count === job.n) {
    job.result = part;
    return;
  }
  const size = part.width * part.height * 4;
  job.result ??= { ...part, count: job.n, rgba: new Uint8ClampedArray(job.n * size) };
  job.result.rgba.set(part.rgba, from * size);
}
