/** The page as one file with its data and its state, made by the page itself. */

import type { Manifest, RunEntry, SpaceEntry } from "../contract";
import type { Files } from "../types";

const TEMPLATE = "single.html";
const MANIFEST = "data/manifest.json";
const WRITTEN = "data/written.json"; // lists the files of a folder or a server
const PLACE = "<!--zatlas:data-->"; // where the data goes
const STATE = "zatlas-state"; // names the element that holds the state
const EMBEDDED = /^(data\/[ab](-\d+)?|runtime)\//;
const TILE = /\/tile-/; // points beyond those of the table, which are too many for one file
const COMPRESSED = /\.(png|webp)$/;
const STEP = 0x6000; // bytes of base64 at a time, a multiple of 3

/** The state that this file opens with, as a link; empty for every other page. */
export function savedState(page: Document = document): string {
  return page.querySelector<HTMLMetaElement>(`meta[name="${STATE}"]`)?.content ?? "";
}

/** What a saved page opens with, and the image that is shown beside a link to it, as a data URL. */
interface Saved {
  state: string;
  preview: string;
}

/** The one-file page of this manifest at a state. `progress` gets the share of files that are done. */
export async function oneFile(files: Files, manifest: Manifest, { state, preview }: Saved, progress: (done: number) => void): Promise<Blob> {
  const own = inlined(document);
  const template = own.length ? ownTemplate(document) : text(await files.bytes(TEMPLATE));
  const urls = own.length ? own.filter((url) => url !== MANIFEST) : await listed(files);
  const cut = template.indexOf(PLACE);
  if (cut < 0) throw new Error("The template of the page has no place for the data. Export the run again.");
  const names = manifest.runs.map((run) => run.name).join(" and ");
  const head = [meta("name", STATE, state), meta("property", "og:title", names), meta("property", "og:image", preview)];
  const parts: string[] = [template.slice(0, cut), head.join("\n"), "\n", await element(MANIFEST, offline(manifest, urls))];
  for (const [i, url] of urls.entries()) {
    parts.push(await element(url, new Uint8Array(await files.bytes(url))));
    progress((i + 1) / urls.length);
  }
  return new Blob([...parts, template.slice(cut + PLACE.length)], { type: "text/html" });
}

function meta(kind: "name" | "property", name: string, content: string): string {
  const element = document.createElement("meta");
  element.setAttribute(kind, name);
  element.content = content;
  return content ? element.outerHTML : "";
}

/** The manifest of a page without a server. */
function offline(manifest: Manifest, urls: string[]): Uint8Array<ArrayBuffer> {
  const present = ({ entry }: SpaceEntry) => !entry || urls.includes(entry); // a server opens the others
  const spacesOf = (run: RunEntry) => (run.spaces.filter(present).length > 1 ? run.spaces.filter(present) : []);
  const runs = manifest.runs.map((run) => ({ ...run, spaces: spacesOf(run), training: null, notice: null, charts: run.charts.map((chart) => ({ ...chart, tiles: null })) }));
  return new TextEncoder().encode(JSON.stringify({ ...manifest, runs, socket: null }));
}

async function listed(files: Files): Promise<string[]> {
  const names = JSON.parse(text(await files.bytes(WRITTEN))) as string[];
  return names.filter((url) => EMBEDDED.test(url) && !TILE.test(url));
}

const inlined = (page: Document) => [...page.querySelectorAll<HTMLScriptElement>("script[data-url]")].map((item) => item.dataset.url!);

/** The source of this one-file page without its data and without what it drew. */
function ownTemplate(page: Document): string {
  const copy = page.documentElement.cloneNode(true) as HTMLElement;
  copy.removeAttribute("data-theme");
  copy.querySelector("#app")!.replaceChildren();
  for (const old of copy.querySelectorAll(`meta[name="${STATE}"], meta[property^="og:"]`)) old.remove();
  const [first, ...others] = copy.querySelectorAll("script[data-url]");
  first.replaceWith(page.createComment("zatlas:data"));
  for (const item of others) item.remove();
  return `<!doctype html>\n${copy.outerHTML}\n`;
}

async function element(url: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const script = document.createElement("script");
  const packed = COMPRESSED.test(url) ? null : await zipped(bytes);
  script.type = "application/octet-stream";
  [script.dataset.url, script.dataset.encoding] = [url, packed ? "gzip" : "identity"];
  script.textContent = toBase64(packed ?? bytes);
  return `${script.outerHTML}\n`;
}

async function zipped(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += STEP) parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + STEP))));
  return parts.join("");
}

const text = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes);
