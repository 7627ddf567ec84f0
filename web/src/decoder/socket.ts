/** The way to the server: one WebSocket that comes back by itself. */

import type { Answer, Ask } from "../contract";
import { pack, unpack } from "./frame";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** An `Ask`, whose number the socket gives. */
export type Question = WithoutId<Ask>;
export type Reply = Answer & { payload: ArrayBuffer };
export type SocketState = "connecting" | "open" | "gone";

export interface Socket {
  readonly state: SocketState;
  /** Waits while the socket connects, and fails with a sentence when the server is gone or says no. */
  ask(question: Question, payload?: ArrayBufferView): Promise<Reply>;
  /** Calls with every change of state, and a sentence for people; returns what ends it. */
  watch(listener: (state: SocketState, sentence: string) => void): () => void;
  close(): void;
}

/** What the server refused, with what to do about it. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(hint ? `${message} ${hint}` : message);
  }
}

const GONE = "The server has gone. What is on this page still works; the rest waits until it is back.";
const SENTENCES: Record<SocketState, string> = {
  connecting: "Connecting to the server.",
  open: "The server is there.",
  gone: GONE,
};
const WAITS = [250, 500, 1000, 2000, 4000]; // milliseconds before the next try

export function openSocket(url: string): Socket {
  return new Line(new URL(url, document.baseURI).href.replace(/^http/, "ws"));
}

interface Sent {
  frame: Uint8Array<ArrayBuffer>;
  stream: string | null;
  answer: (reply: Reply) => void;
  fail: (error: Error) => void;
}

class Line implements Socket {
  state: SocketState = "connecting";
  #socket!: WebSocket;
  #listeners = new Set<(state: SocketState, sentence: string) => void>();
  #pending = new Map<number, Sent>(); // asked, whether it has gone out or waits for the connection
  #asked = 0;
  #tries = 0;
  #closed = false;

  constructor(readonly url: string) {
    this.#connect();
  }

  ask(question: Question, payload?: ArrayBufferView): Promise<Reply> {
    if (this.state === "gone") return Promise.reject(new Error(GONE));
    const id = ++this.#asked;
    const stream = question.stream ? `${question.run} ${question.stream}` : null;
    if (stream && this.state === "connecting") this.#replace(stream);
    // Two runs on one line have streams of their own.
    const frame = pack(stream ? { ...question, id, stream } : { ...question, id }, payload);
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
    this.#socket = new WebSocket(this.url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#tries = 0;
      this.#turn("open");
      for (const { frame } of this.#pending.values()) this.#socket.send(frame);
    };
    this.#socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.#settle(data);
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
    const { header, payload } = unpack<Answer>(data);
    const pending = this.#pending.get(header.id);
    this.#pending.delete(header.id);
    if (header.kind !== "error") pending?.answer({ ...header, payload });
    else pending?.fail(new Refused(header.code, header.message, header.hint));
  }

  /** Nothing has gone out yet, so the latest of a stream wins here. */
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
