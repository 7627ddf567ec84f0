/** Reading the files of a run: manifest, table, latents, tiles; filters and colours. */

export {
  COLOURS,
  extent,
  colouring,
  rgbOf,
  scaleColour,
  type Colouring,
  type Legend,
  type LegendEntry,
  type Theme,
  type ThemeName,
} from "./colours";
export { fromBase64, inlinedFiles, networkFiles, openFiles } from "./files";
export { maskOf, parseQuery, quoted, type Condition, type Query } from "./filter";
export { fromHalf, readLatents, type Latents } from "./half";
export { readManifest } from "./manifest";
export { separation } from "./separation";
export { openTable, readTable, type Table } from "./table";
export { countIn, Tiling, type Count } from "./tiles";
