/** Styles of latents with a row for each layer: layers of another latent, and truncation. */

import type { LayerEntry } from "../contract";

/** A latent whose layers of each part are moved towards those of a source, by an amount from 0 to 1. */
export function mixed(into: Float32Array, source: Float32Array, parts: LayerEntry[], amount: (part: number) => number): Float32Array {
  const result = into.slice();
  parts.forEach(({ columns: [from, to] }, part) => {
    const share = amount(part);
    if (share) for (let i = from; i < to; i++) result[i] = share === 1 ? source[i] : into[i] + share * (source[i] - into[i]);
  });
  return result;
}

/** A latent whose distance from the center is multiplied by psi. */
export function truncated(z: Float32Array, center: Float32Array, psi: number): Float32Array {
  return psi === 1 ? z : z.map((value, i) => center[i] + psi * (value - center[i]));
}
