/** What the page shows of a run at first: the layer of the map and its colours. */

import type { Column } from "../contract";
import { separation } from "../data";
import type { Layer } from "./page.svelte";
import type { RunState } from "./run.svelte";

/** How much larger the text on the map is on a large screen, as the style sheet enlarges the rest of the page there. */
export const enlarged = (): number => (innerWidth >= 1900 ? 1.35 : 1);

/** What the map shows at first: decoded images, if the page decodes them itself. */
export function defaultLayer({ entry }: RunState): Layer {
  return entry.decoder ? "decoded" : "images";
}

const defaults = new WeakMap<object, string>(); // per run, computed once

/** The default colour column: the label, or the column that separates the first chart best. */
export function defaultColour({ entry, table }: RunState): string {
  const { columns, charts } = entry;
  if (columns.some(({ name }) => name === "label")) return "label";
  let result = defaults.get(entry);
  if (result === undefined) {
    const positions = charts.length ? table.positions(charts[0]) : new Float32Array();
    const share = ({ name, kind }: Column) => separation(kind === "flag" ? table.flag(name) : table.classOf(name), positions);
    const grouping = columns.filter(({ name, kind }) => kind !== "number" && name !== "split");
    const ranked = grouping.map((column) => ({ column, share: share(column) })).sort((a, b) => b.share - a.share);
    const other = columns.find(({ kind }) => kind === "number") ?? columns[0]; // the split says little
    defaults.set(entry, (result = (ranked[0]?.column ?? other)?.name ?? ""));
  }
  return result;
}
