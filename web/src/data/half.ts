/** float16 numbers, the format of latents and lattices. */

import type { RunEntry } from "../contract";
import type { Files } from "../types";

/** The latents of the points, row by row. */
export interface Latents {
  readonly count: number;
  readonly dim: number;
  readonly values: Float32Array;
  row(index: number): Float32Array; // a view, not a copy
}

/** Read the latents; null if they are too large for a page. */
export async function readLatents(files: Files, entry: RunEntry): Promise<Latents | null> {
  if (entry.latents === null) return null;
  const { count, dim } = entry;
  const values = fromHalf(await files.bytes(entry.latents));
  if (values.length !== count * dim) {
    throw new Error(
      `${entry.latents} holds ${values.length} numbers, not ${count} latents of ${dim}. Export the run again.`,
    );
  }
  return { count, dim, values, row: (index) => values.subarray(index * dim, (index + 1) * dim) };
}

/** Little-endian float16 as float32. */
export function fromHalf(bytes: ArrayBuffer): Float32Array {
  const halves = new Uint16Array(bytes, 0, bytes.byteLength >> 1);
  const floats = new Float32Array(halves.length);
  const words = new Uint32Array(floats.buffer);
  const { mantissa, exponent, offset } = tables();
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const top = half >> 10;
    words[i] = mantissa[offset[top] + (half & 0x3ff)] + exponent[top];
  }
  return floats;
}

interface Tables {
  mantissa: Uint32Array;
  exponent: Uint32Array;
  offset: Uint16Array;
}

let made: Tables | undefined;

/** Look-up tables small enough for a processor's first cache: a half's float is a sum of two of their entries. */
function tables(): Tables {
  if (made) return made;
  const mantissa = new Uint32Array(2048);
  const exponent = new Uint32Array(64);
  const offset = new Uint16Array(64).fill(1024);
  for (let i = 1; i < 1024; i++) mantissa[i] = subnormal(i);
  for (let i = 1024; i < 2048; i++) mantissa[i] = 0x38000000 + ((i - 1024) << 13);
  for (let i = 0; i < 64; i++) {
    const size = i & 31;
    exponent[i] = (size === 31 ? 0x47800000 : size << 23) + (i > 31 ? 0x80000000 : 0);
  }
  offset[0] = offset[32] = 0;
  made = { mantissa, exponent, offset };
  return made;
}

/** The float32 bits of a subnormal float16. */
function subnormal(mantissa: number): number {
  const shift = Math.clz32(mantissa) - 21;
  return ((113 - shift) << 23) + (((mantissa << shift) & 0x3ff) << 13);
}
