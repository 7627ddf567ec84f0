/** Locates onnxruntime-web, which is copied next to the page rather than bundled. */

import type { Files } from "../types";

declare const __ONE_FILE__: boolean;

/** The runtime's script, the glue that it loads, and its WebAssembly: addresses, or the files themselves. */
export type Runtime =
  { script: string; glue: string; wasm: string } | { script: ArrayBuffer; glue: ArrayBuffer; wasm: ArrayBuffer };

const SCRIPT = "runtime/ort.wasm.min.mjs";
const GLUE = "runtime/ort-wasm-simd-threaded.mjs";
const WASM = "runtime/ort-wasm-simd-threaded.wasm";

/** URLs next to a served page, whose policy forbids blobs; file contents in a single-file page. */
export async function locateRuntime(files: Files): Promise<Runtime> {
  if (!__ONE_FILE__) {
    const resolve = (url: string) => new URL(url, document.baseURI).href;
    return { script: resolve(SCRIPT), glue: resolve(GLUE), wasm: resolve(WASM) };
  }
  const [script, glue, wasm] = await Promise.all([SCRIPT, GLUE, WASM].map((url) => files.bytes(url)));
  return { script, glue, wasm };
}
