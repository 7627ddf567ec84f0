/** The notebook that shows the page in a frame: files and answers come as messages, and the state goes back. */

import { filesOf } from "../data";
import type { Line } from "../decoder";
import type { Files } from "../types";
import type { Page } from "./page.svelte";

const NAME = "zatlas"; // of the messages that connect the frame
const GONE = "The kernel of the notebook does not answer. Run the cell again.";

/** A message of the kernel; `bytes` are those of a file or of an answer. */
type Message =
  | { kind: "file"; id: number; bytes?: ArrayBuffer; error?: string }
  | { kind: "answer"; bytes: ArrayBuffer }
  | { kind: "opened" | "closed" | "gone" }
  | { kind: "go"; z: number[] };

/** The notebook, if the page is in a frame that a notebook fills. */
export function openNotebook(): Notebook | null {
  return document.querySelector('meta[name="zatlas"][content="notebook"]') ? new Notebook() : null;
}

export class Notebook {
  readonly files: Files = filesOf((url) => this.#file(url));
  onGo: (z: Float32Array) => void = () => {};
  #port: Promise<MessagePort>;
  #files = new Map<number, { read: (bytes: ArrayBuffer) => void; fail: (error: Error) => void }>();
  #line: Line | null = null;
  #lastId = 0;
  #gone = false;

  constructor() {
    this.#port = new Promise((resolve) => {
      addEventListener("message", ({ source, data, ports }) => {
        if (source !== parent || data !== NAME) return;
        ports[0].onmessage = ({ data }) => this.#receive(data as Message);
        resolve(ports[0]);
      });
    });
    parent.postMessage(NAME, "*");
  }

  /** A connection to the kernel that behaves as a WebSocket. */
  readonly connect = (): Line => {
    const line: Line = {
      send: (bytes) => this.#send({ kind: "frame", bytes }),
      close: () => {},
      onopen: null,
      onmessage: null,
      onclose: null,
    };
    this.#line = line;
    if (this.#gone) setTimeout(() => line.onclose?.());
    else this.#send({ kind: "connect" });
    return line;
  };

  /** Report the images of the newest lasso and the pinned latents of the active run. */
  report(page: Page): void {
    const rows = page.arithmetic.groups.findLast((group) => group.rows.length)?.rows ?? new Int32Array();
    const selection = Array.from(rows, (row) => page.run.table.index[row]);
    this.#send({ kind: "state", active: page.active, selection, pins: page.pins.map(({ z }) => Array.from(z)) });
  }

  #send(message: object): void {
    void this.#port.then((port) => port.postMessage(message));
  }

  #file(url: string): Promise<ArrayBuffer> {
    if (this.#gone) return Promise.reject(new Error(GONE));
    const id = ++this.#lastId;
    this.#send({ kind: "file", id, url });
    return new Promise((read, fail) => this.#files.set(id, { read, fail }));
  }

  #receive(message: Message): void {
    if (message.kind === "file") {
      const pending = this.#files.get(message.id);
      this.#files.delete(message.id);
      if (message.bytes) pending?.read(message.bytes);
      else pending?.fail(new Error(message.error));
    } else if (message.kind === "answer") this.#line?.onmessage?.({ data: message.bytes });
    else if (message.kind === "opened") this.#line?.onopen?.();
    else if (message.kind === "closed") this.#line?.onclose?.();
    else if (message.kind === "go") this.onGo(Float32Array.from(message.z));
    else this.#lose();
  }

  #lose(): void {
    this.#gone = true;
    for (const { fail } of this.#files.values()) fail(new Error(GONE));
    this.#files.clear();
    this.#line?.onclose?.();
  }
}
