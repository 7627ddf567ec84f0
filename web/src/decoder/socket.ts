/** The connection to the server: one WebSocket that reconnects by itself. */

import type { ServerAnswer, ServerRequest } from "../contract";
import { pack, unpack } from "./frame";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** A `ServerRequest` without the id, which the socket assigns. */
export type RequestBody = WithoutId<ServerRequest>;
export type Reply = ServerAnswer & { payload: ArrayBuffer };
export type SocketState = "connecting" | "open" | "gone";

export interface Socket {
  readonly state: SocketState;
  /** Wait for the connection, then for the reply; rejects if the server is gone or refuses. */
  request(body: RequestBody, payload?: ArrayBufferView): Promise<Reply>;
  /** Call the listener with every change of state and a message; returns a function that stops it. */
  watch(listener: (state: SocketState, sentence: string) => void): () => void;
  close(): void;
}

/** An error that the server reported, with a hint. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(hint ? `${message} ${hint}` : message);
  }
}

const GONE = "The server does not answer. Everything loaded on this page still works.";
const SENTENCES: Record<SocketState, string> = {
  connecting: "Connecting to the server.",
  open: "Connected to the server.",
  gone: GONE,
};
const WAITS = [250, 500, 1000, 2000, 4000]; // milliseconds before each new try

/** What a connection uses of a WebSocket; a notebook has its own. */
export interface Line {
  send(frame: Uint8Array<ArrayBuffer>): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null;
  onclose: (() => void) | null;
}

export function openSocket(url: string, connect = () => webSocket(url)): Socket {
  return new Connection(connect);
}

function webSocket(url: string): Line {
  const socket = new WebSocket(new URL(url, document.baseURI).href.replace(/^http/, "ws"));
  socket.binaryType = "arraybuffer";
  return socket as unknown as Line; // a frame of the server is always binary
}

interface Sent {
  frame: Uint8Array<ArrayBuffer>;
  stream: string | null;
  answer: (reply: Reply) => void;
  fail: (error: Error) => void;
}

class Connection implements Socket {
  state: SocketState = "connecting";
  #socket!: Line;
  #listeners = new Set<(state: SocketState, sentence: string) => void>();
  #pending = new Map<number, Sent>(); // sent, or waiting for the connection
  #lastId = 0;
  #tries = 0;
  #closed = false;

  constructor(readonly connect: () => Line) {
    this.#connect();
  }

  request(body: RequestBody, payload?: ArrayBufferView): Promise<Reply> {
    if (this.state === "gone") return Promise.reject(new Error(GONE));
    const id = ++this.#lastId;
    const stream = body.stream ? `${body.run} ${body.stream}` : null;
    if (stream && this.state === "connecting") this.#replace(stream);
    // Two runs on one connection have separate streams.
    const frame = pack(stream ? { ...body, id, stream } : { ...body, id }, payload);
    return new Promise((answer, fail) => {
      this.#pending.set(id, { frame, stream, answer, fail });
      if (this.state === "open") this.#socket.send(frame);
    });
  }

  watch(listener: (state: SocketState, sentence: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }

  #connect(): void {
    this.#socket = this.connect();
    this.#socket.onopen = () => {
      this.#tries = 0;
      this.#turn("open");
      for (const { frame } of this.#pending.values()) this.#socket.send(frame);
    };
    this.#socket.onmessage = ({ data }) => this.#settle(data);
    this.#socket.onclose = () => this.#lose();
  }

  #lose(): void {
    this.#turn("gone");
    for (const { fail } of this.#pending.values()) fail(new Error(GONE));
    this.#pending.clear();
    if (this.#closed) return;
    const wait = WAITS[Math.min(this.#tries++, WAITS.length - 1)];
    setTimeout(() => this.#closed || this.#connect(), wait);
  }

  #settle(data: ArrayBuffer): void {
    const { header, payload } = unpack<ServerAnswer>(data);
    const pending = this.#pending.get(header.id);
    this.#pending.delete(header.id);
    if (header.kind !== "error") pending?.answer({ ...header, payload });
    else pending?.fail(new Refused(header.code, header.message, header.hint));
  }

  /** Nothing has been sent yet, so the newest request of a stream replaces older ones. */
  #replace(stream: string): void {
    for (const [id, sent] of this.#pending) {
      if (sent.stream !== stream) continue;
      this.#pending.delete(id);
      sent.answer({ id, kind: "dropped", payload: new ArrayBuffer(0) });
    }
  }

  #turn(state: SocketState): void {
    if (this.state === state) return;
    this.state = state;
    for (const listener of this.#listeners) listener(state, SENTENCES[state]);
  }
}
