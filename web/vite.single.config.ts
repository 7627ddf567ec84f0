/** Builds the page as one file, `single.html`. */

import { mergeConfig } from "vite";
import { classicScript, singleFile } from "./scripts/single";

export default mergeConfig(classicScript, {
  base: "./",
  plugins: [singleFile()],
  build: {
    cssCodeSplit: false,
    modulePreload: false,
    rolldownOptions: { output: { format: "iife", codeSplitting: false } },
  },
});
