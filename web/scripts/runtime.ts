/** Files next to the page: the unchanged onnxruntime-web, and the licences of all packages. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

const RUNTIME = "onnxruntime-web";
const FILES: Record<string, string[]> = {
  runtime: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
  gpu: ["ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"],
};
const TYPES: Record<string, string> = { mjs: "text/javascript", wasm: "application/wasm" };
const NOTICE = "The page that comes with zatlas contains the packages below, none of them changed.";

/** Serve and emit `runtime/` and, with WebGPU, `gpu/`. */
export function runtimeFiles(modules: string): Plugin {
  const read = (name: string) => readFileSync(join(modules, RUNTIME, "dist", name));
  return {
    name: "zatlas-runtime",
    configureServer(server) {
      for (const [folder, names] of Object.entries(FILES)) {
        server.middlewares.use(`/${folder}/`, (request, response, next) => {
          const name = request.url?.slice(1) ?? "";
          if (!names.includes(name)) return next();
          response.setHeader("Content-Type", TYPES[name.split(".").at(-1)!]);
          response.end(read(name));
        });
      }
    },
    generateBundle() {
      for (const [folder, names] of Object.entries(FILES)) {
        for (const name of names) {
          this.emitFile({ type: "asset", fileName: `${folder}/${name}`, source: read(name) });
        }
      }
    },
  };
}

/** Emit `licenses.txt`, with the licence of the runtime and of every bundled package. */
export function licenses(modules: string): Plugin {
  const packages = new Set([RUNTIME]);
  return {
    name: "zatlas-licenses",
    generateBundle() {
      for (const id of this.getModuleIds()) {
        const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(id)?.[1];
        if (name && !name.startsWith(".") && name !== "vite") packages.add(name);
      }
      const texts = [...packages].sort().map((name) => licenseOf(join(modules, name)));
      const source = `${NOTICE}\n\n${texts.join("\n\n")}`;
      this.emitFile({ type: "asset", fileName: "licenses.txt", source });
    },
  };
}

function licenseOf(folder: string): string {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (!file && about.name !== RUNTIME) throw new Error(`${about.name} comes without its licence.`);
  const text = file ? readFileSync(join(folder, file), "utf8") : MIT;
  const source = about.repository?.url ?? about.repository ?? about.homepage ?? "";
  const title = `${about.name} ${about.version} (${about.license}) ${source.replace(/^git\+|\.git$/g, "")}`;
  return `${"=".repeat(80)}\n${title.trim()}\n${"=".repeat(80)}\n\n${text.trim()}\n`;
}

/** The node_modules folder of this package. */
export function modulesOf(folder: string): string {
  for (let place = folder; ; place = dirname(place)) {
    const modules = join(place, "node_modules");
    if (existsSync(modules)) return modules;
    if (place === dirname(place)) throw new Error(`There are no packages for ${folder}: run npm ci.`);
  }
}

// The runtime package names its licence without including it.
const MIT = `MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO
EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE
USE OR OTHER DEALINGS IN THE SOFTWARE.`;
