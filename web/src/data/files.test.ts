// @vitest-environment jsdom
import { gzipSync } from "node:zlib";

import { afterEach, describe, expect, it, vi } from "vitest";

import { fromBase64, inlinedFiles, networkFiles } from "./files";
import { readManifest } from "./manifest";

const manifest = JSON.stringify({ format: 1, zatlas: "1", runs: [{ id: "a" }], socket: null });

function pageWith(url: string, bytes: Uint8Array, encoding: string): Document {
  const page = document.implementation.createHTMLDocument();
  const element = page.createElement("script");
  element.type = "application/octet-stream";
  element.dataset.url = url;
  element.dataset.encoding = encoding;
  element.textContent = Buffer.from(bytes).toString("base64");
  page.body.append(element);
  return page;
}

describe("files in the page", () => {
  it.each([
    ["identity", (bytes: Uint8Array) => bytes],
    ["gzip", (bytes: Uint8Array) => gzipSync(bytes)],
  ])("are read as %s repeatedly, and their text is freed", async (encoding, packed) => {
    const page = pageWith("data/manifest.json", packed(new TextEncoder().encode(manifest)), encoding);
    const files = inlinedFiles(page);
    expect((await readManifest(files)).runs[0].id).toBe("a");
    expect(page.querySelector("script")?.textContent).toBe("");
    expect((await readManifest(files)).runs[0].id).toBe("a");
  });

  it("that are missing are named in the error", async () => {
    await expect(inlinedFiles(document).bytes("data/x.arrow")).rejects.toThrow("data/x.arrow is not in this page");
  });
});

it("base64 is decoded for every length, with and without padding", () => {
  for (let size = 0; size < 40; size++) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 37 + size) % 256);
    const text = Buffer.from(bytes).toString("base64");
    expect(fromBase64(text)).toEqual(bytes);
    expect(fromBase64(text.replace(/=/g, ""))).toEqual(bytes);
    expect(fromBase64(text.replace(/(.{8})/g, "$1\n"))).toEqual(bytes);
  }
});

describe("network files", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("are requested relative to the page, and failures have a message", async () => {
    const requested: string[] = [];
    vi.stubGlobal("fetch", async (url: string) => {
      requested.push(url);
      if (url.includes("gone")) return new Response("", { status: 404, statusText: "Not Found" });
      if (url.includes("down")) throw new TypeError("Failed to fetch");
      return new Response("abc");
    });
    const files = networkFiles("./");
    expect((await files.bytes("data/a")).byteLength).toBe(3);
    expect(requested).toEqual(["./data/a"]);
    await expect(files.bytes("gone")).rejects.toThrow("gone could not be loaded: the server answered 404 Not Found.");
    await expect(files.bytes("down")).rejects.toThrow("Check that the server of this page is still running.");
  });
});

it("a manifest of another format or without runs is refused", async () => {
  const of = (text: string) => ({
    bytes: async () => new TextEncoder().encode(text).buffer,
    image: () => Promise.reject(),
  });
  await expect(readManifest(of('{"format": 9}'))).rejects.toThrow("has format 9, and this page reads format 1");
  await expect(readManifest(of("<html>"))).rejects.toThrow("is not valid JSON");
  await expect(readManifest(of('{"format": 1, "runs": []}'))).rejects.toThrow("contains no runs");
});
