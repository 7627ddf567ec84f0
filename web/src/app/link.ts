/** The state of the page as the fragment of a URL, and back. */

export interface LinkState {
  chart?: string;
  colour?: string;
  filter?: string;
  view?: [number, number, number]; // center position, pixels per unit
  panel?: string;
  pins?: string[]; // as anchorText writes them
  keyframes?: string[]; // of the pins, as keyframeText writes them
  method?: string;
  loop?: boolean;
  at?: number; // position on the walk, from 0 to 1
  amounts?: Record<string, number>; // of the sliders
  held?: string[]; // attributes held constant
  prior?: string; // "model": sample from the model's own prior instead of a fitted one
  label?: number; // class index for a conditional model
  layer?: string; // what the map shows: points, images or decoded images
  arithmetic?: string; // the equation
  groups?: Record<string, string>; // name to members, as anchorText writes them, separated by points
  created?: Record<string, string>; // directions created in the page: name to vector
  space?: string[]; // latent spaces of the runs; empty for that of the manifest
  run?: number; // index of the active run
  mix?: string; // number of the pin whose layers are taken, and the amount of each part
  psi?: number; // truncation
  story?: string; // name of the open story, or its text
  step?: number; // of the story, from 1
}

const LISTS = new Set(["pins", "held", "keyframes", "space"]);
const WITH_GAPS = new Set(["keyframes", "space"]); // lists whose empty items count
const TABLES = new Set(["amounts", "created", "groups"]);
const FLAGS = new Set(["loop"]);
const NUMBERS = new Set(["at", "label", "psi", "run", "step"]);

export function writeLink(state: LinkState): string {
  const result = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const text = asText(value);
    if (text) result.set(name, text);
  }
  return result.toString();
}

/** The state in a link; missing and invalid parts are left out. */
export function readLink(hash: string): LinkState {
  const result: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const value = asValue(name, text);
    if (value !== undefined) result[name] = value;
  }
  return result as LinkState;
}

function asText(value: LinkState[keyof LinkState]): string {
  if (value === undefined || value === null || value === false) return "";
  if (value === true) return "1";
  if (typeof value === "number") return tidy(value);
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((item) => (typeof item === "number" ? tidy(item) : escape(item))).join(",");
  const pairs = Object.entries(value).map(([name, item]) => `${escape(name)}:${typeof item === "number" ? tidy(item) : item}`);
  return pairs.join(",");
}

function asValue(name: string, text: string): unknown {
  if (FLAGS.has(name)) return text === "1";
  if (NUMBERS.has(name)) return finite(text);
  if (name === "view") {
    const numbers = text.split(",").map(Number);
    return numbers.length === 3 && numbers.every(Number.isFinite) && numbers[2] > 0 ? numbers : undefined;
  }
  if (LISTS.has(name)) return text.split(",").filter((item) => item || WITH_GAPS.has(name)).map(unescape);
  if (!TABLES.has(name)) return text;
  const pairs: [string, unknown][] = [];
  for (const pair of text.split(",")) {
    const cut = pair.lastIndexOf(":");
    const value = name === "amounts" ? finite(pair.slice(cut + 1)) : pair.slice(cut + 1);
    if (cut > 0 && value !== undefined) pairs.push([unescape(pair.slice(0, cut)), value]);
  }
  return Object.fromEntries(pairs); // which also takes the name “__proto__”
}

/** Escape commas and colons in names, because they are separators. */
function escape(text: string): string {
  return text.replace(/[%,:]/g, (sign) => encodeURIComponent(sign));
}

function unescape(text: string): string {
  return text.replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%25", "%");
}

function finite(text: string): number | undefined {
  const value = Number(text);
  return text && Number.isFinite(value) ? value : undefined;
}

function tidy(value: number): string {
  return String(Number(value.toPrecision(5)));
}
