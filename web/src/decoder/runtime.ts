/** Where the onnxruntime-web of this page is, and how a thread of ours gets it. It is copied beside the page, not bundled. */

import type { Files } from "../contract";

declare const __ONE_FILE__: boolean;

/** The runtime's script, the glue that it loads, and its WebAssembly: addresses, or the files themselves. */
export type Runtime =
  | { script: string; glue: string; wasm: string }
  | { script: ArrayBuffer; glue: ArrayBuffer; wasm: ArrayBuffer };

const SCRIPT = "runtime/ort.wasm.min.mjs";
const GLUE = "runtime/ort-wasm-simd-threaded.mjs";
const WASM = "runtime/ort-wasm-simd-threaded.wasm";

/** Addresses beside a served page, whose policy allows no blobs; the files where all is one file. */
export async function locateRuntime(files: Files): Promise<Runtime> {
  if (!__ONE_FILE__) {
    const beside = (url: string) => new URL(url, document.baseURI).href;
    return { script: beside(SCRIPT), glue: beside(GLUE), wasm: beside(WASM) };
  }
  const [script, glue, wasm] = await Promise.all([SCRIPT, GLUE, WASM].map((url) => files.bytes(url)));
  return { script, glue, wasm };
}
