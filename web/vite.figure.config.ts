/** Builds the web component of a figure as one classic script, `figure.js`. */

import { defineConfig } from "vite";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { inlineWorkers } from "./scripts/single";

export default defineConfig({
  plugins: [inlineWorkers(), svelte()],
  define: { __ONE_FILE__: "true" },
  worker: { format: "iife" },
  build: {
    outDir: "../src/zatlas/static",
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: () => true,
    reportCompressedSize: false,
    lib: { entry: "src/figure/main.ts", formats: ["iife"], name: "zatlasFigure", fileName: () => "figure.js" },
    rolldownOptions: { transform: { define: { "import.meta": "{}" } } },
  },
});
