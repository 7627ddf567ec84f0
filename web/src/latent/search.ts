/** Nearest-neighbor search: in this thread for few latents, in a worker for many. */

import { type Neighbors, nearest } from "./nearest";
import SearchThread from "./search.worker?worker";

const MAX_INLINE = 20_000; // latents that are searched within one frame

export interface NeighborSearch {
  /** null: a newer request of the same stream replaced this one. */
  nearest(z: Float32Array, k: number, stream?: string): Promise<Neighbors | null>;
  close(): void;
}

export interface SearchRequest {
  z: Float32Array;
  k: number;
}

export function openSearch(latents: Float32Array, dim: number): NeighborSearch {
  if (latents.length / dim <= MAX_INLINE) {
    return { nearest: async (z, k) => nearest(latents, dim, z, k), close: () => {} };
  }
  const thread = new SearchThread();
  const own = latents.slice(); // transferred to the worker
  thread.postMessage({ latents: own, dim }, [own.buffer]);
  return { nearest: inTurn(thread), close: () => thread.terminate() };
}

interface Waiting extends SearchRequest {
  stream?: string;
  answer: (result: Neighbors | null) => void;
}

function inTurn(thread: Worker): NeighborSearch["nearest"] {
  const waiting: Waiting[] = [];
  let current: Waiting | undefined;
  const next = () => {
    current = waiting.shift();
    if (current) thread.postMessage({ z: current.z, k: current.k });
  };
  thread.onmessage = ({ data }: MessageEvent<Neighbors>) => {
    current?.answer(data);
    next();
  };
  return (z, k, stream) =>
    new Promise((answer) => {
      const old = stream ? waiting.findIndex((item) => item.stream === stream) : -1;
      if (old >= 0) waiting.splice(old, 1)[0].answer(null);
      waiting.push({ z, k, stream, answer });
      if (!current) next();
    });
}
