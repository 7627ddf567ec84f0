/** Builds the page as one file, `single.html`. */

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { inlineWorkers, singleFile } from "./scripts/single";

export default defineConfig({
  base: "./",
  plugins: [inlineWorkers(), svelte(), singleFile()],
  define: { __ONE_FILE__: "true" },
  worker: { format: "iife" },
  build: {
    outDir: "../src/zatlas/static",
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: () => true,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: { format: "iife", codeSplitting: false },
      transform: { define: { "import.meta": "{}" } }, // a classic script has none
    },
  },
});
