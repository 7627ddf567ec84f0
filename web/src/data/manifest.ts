/** Reading the manifest. */

import { FORMAT } from "../contract";
import type { Manifest } from "../contract";
import type { Files } from "../types";

export async function readManifest(files: Files): Promise<Manifest> {
  const text = new TextDecoder().decode(await files.bytes("data/manifest.json"));
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch {
    throw new Error("data/manifest.json is not valid JSON. Export the run again.");
  }
  if (manifest?.format !== FORMAT) {
    throw new Error(
      `data/manifest.json has format ${manifest?.format}, and this page reads format ${FORMAT}: ` +
        "use the page and the data of the same version of zatlas.",
    );
  }
  if (!manifest.runs?.length) throw new Error("data/manifest.json contains no runs. Export the run again.");
  return manifest;
}
