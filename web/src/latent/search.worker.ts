/** The worker that searches many latents. */

import { nearest } from "./nearest";
import type { SearchRequest } from "./search";

let latents = new Float32Array();
let dim = 1;

self.onmessage = ({ data }: MessageEvent<{ latents: Float32Array<ArrayBuffer>; dim: number } | SearchRequest>) => {
  if ("latents" in data) ({ latents, dim } = data);
  else self.postMessage(nearest(latents, dim, data.z, data.k));
};
