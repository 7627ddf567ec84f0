/** Looks for nearest codes: here if they are few, in a thread of its own if they are many. */

import { type Near, nearest } from "./nearest";
import SeekerThread from "./seeker.worker?worker";

const FEW = 20_000; // codes that are looked through within a frame

export interface Seeker {
  /** null: a newer ask of the same stream came before this one was begun. */
  nearest(z: Float32Array, k: number, stream?: string): Promise<Near | null>;
  close(): void;
}

export interface Sought {
  z: Float32Array;
  k: number;
}

export function openSeeker(codes: Float32Array, dim: number): Seeker {
  if (codes.length / dim <= FEW) {
    return { nearest: async (z, k) => nearest(codes, dim, z, k), close: () => {} };
  }
  const thread = new SeekerThread();
  const own = codes.slice(); // handed over for good
  thread.postMessage({ codes: own, dim }, [own.buffer]);
  return { nearest: inTurn(thread), close: () => thread.terminate() };
}

interface Waiting extends Sought {
  stream?: string;
  answer: (near: Near | null) => void;
}

function inTurn(thread: Worker): Seeker["nearest"] {
  const waiting: Waiting[] = [];
  let current: Waiting | undefined;
  const next = () => {
    current = waiting.shift();
    if (current) thread.postMessage({ z: current.z, k: current.k });
  };
  thread.onmessage = ({ data }: MessageEvent<Near>) => {
    current?.answer(data);
    next();
  };
  return (z, k, stream) =>
    new Promise((answer) => {
      const old = stream ? waiting.findIndex((one) => one.stream === stream) : -1;
      if (old >= 0) waiting.splice(old, 1)[0].answer(null);
      waiting.push({ z, k, stream, answer });
      if (!current) next();
    });
}
