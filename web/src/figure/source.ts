/**
 * The files of a figure. They come in scripts that register them, because a page loads a script from any host, and
 * also from disk, where it may not fetch.
 */

import { filesOf, fromBase64, unzipped } from "../data/files";
import type { Files } from "../types";

type Packed = Record<string, string>; // by URL: gzip as base64

declare global {
  var zatlasFiles: Record<string, Packed> | undefined; // by address of the script
}

const RUNTIME = "runtime/"; // starts the URLs of the ONNX runtime
const own = (document.currentScript as HTMLScriptElement | null)?.src ?? "";
const scripts = new Map<string, Promise<Packed>>();
const opened = new Map<string, Files>();

/** The files of the data script at this address; the runtime is in `runtime.js`, next to this script. */
export function figureFiles(src: string): Files {
  const address = resolved(src);
  let files = opened.get(address);
  if (!files) {
    const runtime = own ? new URL("runtime.js", own).href : resolved("runtime.js", address);
    const read = new Map<string, Promise<ArrayBuffer>>();
    files = filesOf((url) => {
      let bytes = read.get(url);
      if (!bytes) read.set(url, (bytes = unpacked(url.startsWith(RUNTIME) ? runtime : address, url)));
      return bytes.then((all) => all.slice(0));
    });
    opened.set(address, files);
  }
  return files;
}

async function unpacked(script: string, url: string): Promise<ArrayBuffer> {
  const packed = await registered(script);
  const text = packed[url];
  if (text === undefined) throw new Error(`${url} is not in ${script}. Export the figure again.`);
  delete packed[url]; // its bytes take less memory
  return unzipped(fromBase64(text));
}

/** What the script at this address registered; the script is added to the page once. */
function registered(address: string): Promise<Packed> {
  let loading = scripts.get(address);
  if (!loading) scripts.set(address, (loading = load(address)));
  return loading;
}

async function load(address: string): Promise<Packed> {
  const find = () => globalThis.zatlasFiles?.[address];
  if (!find()) {
    await new Promise((done, fail) => {
      const script = document.createElement("script");
      script.onload = done;
      script.onerror = () => fail(new Error(`${address} could not be loaded. Check that the file is there.`));
      script.src = address;
      document.head.append(script);
    });
  }
  const packed = find();
  if (!packed) throw new Error(`${address} holds no figure. Write one with: zatlas export RUN FOLDER --figure walk`);
  return packed;
}

function resolved(url: string, base: string = document.baseURI): string {
  return new URL(url, base).href;
}
