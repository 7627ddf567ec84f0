/** The whole state of the page as the part of a URL behind #, and back. */

export interface LinkState {
  chart?: string;
  colour?: string;
  filter?: string;
  view?: [number, number, number]; // place in the middle, pixels a unit
  panel?: string;
  pins?: string[]; // as spotText writes them
  way?: string;
  loop?: boolean;
  at?: number; // how far along the walk, from 0 to 1
  amounts?: Record<string, number>; // of the knobs
  without?: string[];
  prior?: string; // "own": samples are drawn from the model's own prior, though one was fitted
  told?: number; // the class a conditional model is told
  imagine?: boolean; // the field of imagined tiles
  bench?: string; // the equation
  own?: Record<string, string>; // directions made here, name to vector
  note?: string;
  run?: number; // the one of two that is looked at
}

const LISTS = new Set(["pins", "without"]);
const TABLES = new Set(["amounts", "own"]);
const FLAGS = new Set(["loop", "imagine"]);
const NUMBERS = new Set(["at", "told", "run"]);

export function writeLink(state: LinkState): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const text = asText(value);
    if (text) words.set(name, text);
  }
  return words.toString();
}

/** What a link says; anything that it does not say, or says wrongly, is left out. */
export function readLink(hash: string): LinkState {
  const found: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const value = asValue(name, text);
    if (value !== undefined) found[name] = value;
  }
  return found as LinkState;
}

function asText(value: LinkState[keyof LinkState]): string {
  if (value === undefined || value === null || value === false) return "";
  if (value === true) return "1";
  if (typeof value === "number") return tidy(value);
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((one) => (typeof one === "number" ? tidy(one) : escape(one))).join(",");
  const pairs = Object.entries(value).map(([name, one]) => `${escape(name)}:${typeof one === "number" ? tidy(one) : one}`);
  return pairs.join(",");
}

function asValue(name: string, text: string): unknown {
  if (FLAGS.has(name)) return text === "1";
  if (NUMBERS.has(name)) return finite(text);
  if (name === "view") {
    const numbers = text.split(",").map(Number);
    return numbers.length === 3 && numbers.every(Number.isFinite) && numbers[2] > 0 ? numbers : undefined;
  }
  if (LISTS.has(name)) return text.split(",").filter(Boolean).map(unescape);
  if (!TABLES.has(name)) return text;
  const pairs: [string, unknown][] = [];
  for (const pair of text.split(",")) {
    const cut = pair.lastIndexOf(":");
    const value = name === "amounts" ? finite(pair.slice(cut + 1)) : pair.slice(cut + 1);
    if (cut > 0 && value !== undefined) pairs.push([unescape(pair.slice(0, cut)), value]);
  }
  return Object.fromEntries(pairs); // which also takes the name “__proto__”
}

/** Commas and colons part things, so in names they are written otherwise. */
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
