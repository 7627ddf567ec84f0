/** Reading the files of a run: manifest, table, latents, tiles; filters and colours. */

export { colouring } from "./colours";
export { filesOf, openFiles } from "./files";
export { maskOf, parseQuery, quoted, replaced, type Condition } from "./filter";
export { fromHalf, readLatents, type Latents } from "./half";
export { histogram, type Bin } from "./histogram";
export { readManifest } from "./manifest";
export { oneFile, savedState } from "./onefile";
export { csv, sortedRows } from "./selection";
export { separation } from "./separation";
export { readTable, type Table } from "./table";
export { countIn, Tiling, type Count } from "./tiles";
