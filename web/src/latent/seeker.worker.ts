/** The thread that looks through many codes. */

import { nearest } from "./nearest";
import type { Sought } from "./seeker";

let codes = new Float32Array();
let dim = 1;

self.onmessage = ({ data }: MessageEvent<{ codes: Float32Array<ArrayBuffer>; dim: number } | Sought>) => {
  if ("codes" in data) ({ codes, dim } = data);
  else self.postMessage(nearest(codes, dim, data.z, data.k));
};
