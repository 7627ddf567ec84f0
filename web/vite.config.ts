/** Builds the page as separate files, which the server serves and an export copies. */

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { licenses, modulesOf, runtimeFiles } from "./scripts/runtime";
import { policy } from "./scripts/policy";

const modules = modulesOf(import.meta.dirname);

export default defineConfig({
  base: "./",
  plugins: [svelte(), policy(), runtimeFiles(modules), licenses(modules)],
  define: { __ONE_FILE__: "false" },
  worker: { format: "iife" },
  build: {
    outDir: "../src/zatlas/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: { environment: "node", include: ["src/**/*.test.ts"], testTimeout: 30_000 },
});
