/** Reading the files of a run: manifest, table, latents, tiles; filters and colours. */

export { colouring } from "./colours";
export { filesOf, openFiles } from "./files";
export { quoted, replaced, select, type Condition, type Selection } from "./filter";
export { fromHalf, readLatents, type Latents } from "./half";
export { histogram, type Bin } from "./histogram";
export { readManifest } from "./manifest";
export { oneFile, savedState } from "./onefile";
export { csv, sortedRows } from "./selection";
export { parquet } from "./parquet";
export { separation } from "./separation";
export { readTable, type Table } from "./table";
export { countIn, Tiling, type Count } from "./tiles";
