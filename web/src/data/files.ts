/** The source of the page's files: the folder it is served from, or the page itself. */

import type { Files } from "../types";

/** Files embedded in the page if there are any, otherwise files fetched relative to it. */
export function openFiles(base = "./"): Files {
  const inlined = document.querySelector('script[data-url="data/manifest.json"]') !== null;
  return inlined ? inlinedFiles(document) : networkFiles(base);
}

/** Files fetched relative to the page. */
export function networkFiles(base = "./"): Files {
  return filesOf(async (url) => {
    let answer: Response;
    try {
      answer = await fetch(base + url);
    } catch {
      throw new Error(`${url} could not be loaded. Check that the server of this page is still running.`);
    }
    if (!answer.ok)
      throw new Error(
        `${url} could not be loaded: the server answered ${answer.status} ${answer.statusText}.`.replace(" .", "."),
      );
    return answer.arrayBuffer();
  });
}

/**
 * Files embedded in the page as `<script type="application/octet-stream" data-url data-encoding>BASE64</script>`.
 * The text of an element is removed once it is read; its bytes take an eighth of the memory.
 */
export function inlinedFiles(page: Document): Files {
  const cache = new Map<string, Promise<ArrayBuffer>>();
  return filesOf((url) => {
    const cached = cache.get(url);
    if (cached) return cached.then((bytes) => bytes.slice(0));
    const element = [...page.querySelectorAll<HTMLScriptElement>("script[data-url]")].find(
      (item) => item.dataset.url === url,
    );
    if (!element) return Promise.reject(new Error(`${url} is not in this page. Export the run again.`));
    const bytes = fromBase64(element.textContent ?? "");
    element.textContent = "";
    const read = element.dataset.encoding === "gzip" ? unzipped(bytes) : Promise.resolve(bytes.buffer);
    cache.set(url, read);
    return read.then((all) => all.slice(0));
  });
}

/** Files from a function that reads the bytes of a URL. */
export function filesOf(bytes: (url: string) => Promise<ArrayBuffer>): Files {
  return { bytes, image: async (url) => createImageBitmap(new Blob([await bytes(url)]), { premultiplyAlpha: "none" }) };
}

const SIXTY_FOUR = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const VALUES = new Uint8Array(128).fill(255);
for (let i = 0; i < 64; i++) VALUES[SIXTY_FOUR.charCodeAt(i)] = i;

/** The bytes of base64 text; white space and padding are ignored. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (native) return native(text);
  const out = new Uint8Array(Math.ceil((text.length * 3) / 4));
  let size = 0;
  let bits = 0;
  let held = 0;
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i) & 127];
    if (value === 255) continue;
    held = (held << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[size++] = held >> bits;
    held &= (1 << bits) - 1;
  }
  return out.slice(0, size);
}

export function unzipped(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const packed = new Response(bytes).body as ReadableStream<Uint8Array<ArrayBuffer>>;
  return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
