/** The page's table of contents. */

import type { Files, Manifest } from "../contract";

const FORMAT = 1;

export async function readManifest(files: Files): Promise<Manifest> {
  const text = new TextDecoder().decode(await files.bytes("data/manifest.json"));
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw new Error("data/manifest.json is no JSON: export the run again.");
  }
  if (manifest?.format !== FORMAT) {
    throw new Error(
      `data/manifest.json has format ${manifest?.format}, and this page reads format ${FORMAT}: ` +
        "use the page and the data of one version of zatlas.",
    );
  }
  if (!manifest.runs?.length)
    throw new Error("data/manifest.json names no run: export the run again.");
  return manifest;
}
