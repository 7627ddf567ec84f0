/** Builds the web component of a figure as one classic script, `figure.js`. */

import { mergeConfig } from "vite";
import { classicScript } from "./scripts/single";

export default mergeConfig(classicScript, {
  build: { lib: { entry: "src/figure/main.ts", formats: ["iife"], name: "zatlasFigure", fileName: () => "figure.js" } },
});
