/** Locates onnxruntime-web, which is copied next to the page rather than bundled. */

import type { Files } from "../types";

declare const __ONE_FILE__: boolean;

/** What computes: the processor, or the GPU. */
export type Engine = "wasm" | "webgpu";

/** The runtime's script, the glue that it loads, and its WebAssembly: addresses, or the files themselves. */
export type Runtime = { engine: Engine } & (
  { script: string; glue: string; wasm: string } | { script: ArrayBuffer; glue: ArrayBuffer; wasm: ArrayBuffer }
);

const URLS: Record<Engine, string[]> = {
  wasm: ["runtime/ort.wasm.min.mjs", "runtime/ort-wasm-simd-threaded.mjs", "runtime/ort-wasm-simd-threaded.wasm"],
  webgpu: [
    "gpu/ort.webgpu.min.mjs",
    "gpu/ort-wasm-simd-threaded.asyncify.mjs",
    "gpu/ort-wasm-simd-threaded.asyncify.wasm",
  ],
};

/** URLs next to a served page, whose policy forbids blobs; file contents in a single-file page. */
export async function locateRuntime(files: Files, engine: Engine): Promise<Runtime> {
  if (!__ONE_FILE__) {
    const [script, glue, wasm] = URLS[engine].map((url) => new URL(url, document.baseURI).href);
    return { engine, script, glue, wasm };
  }
  const [script, glue, wasm] = await Promise.all(URLS[engine].map((url) => files.bytes(url)));
  return { engine, script, glue, wasm };
}

/** Whether the page has the runtime for a GPU, and the browser has a GPU. A single file is without it. */
export async function hasGpu(): Promise<boolean> {
  return !__ONE_FILE__ && "gpu" in navigator && (await navigator.gpu.requestAdapter()) !== null;
}
