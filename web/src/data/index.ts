/** The data room: what the page needs of it. */

export {
  THEMES,
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
export { fromHalf, readCodes, type Codes } from "./half";
export { readManifest } from "./manifest";
export { parted } from "./parted";
export { openTable, readTable, type Table } from "./table";
export { countIn, Tiling, type Count } from "./tiles";
