/** The directions of a run, read from its files. */

import type { RunEntry } from "../contract";
import type { Files } from "../types";
import { readField, type Probes } from "../latent";
import type { Slider } from "./sliders.svelte";

interface Directions {
  sliders: Slider[]; // of the run's directions, then of its dimensions
  probes: Probes;
  normals: Float32Array; // of the attributes' hyperplanes
}

export async function readDirections(files: Files, entry: RunEntry): Promise<Directions> {
  const { directions, dim, dimensions, std } = entry;
  const read = async (url: string) => new Float32Array(await files.bytes(url));
  const [vectors, normals, weights] = await Promise.all([directions.vectors, directions.normals, directions.weights].map(read));
  const probes = { names: directions.probes.map((item) => item.name), weights, offsets: directions.probes.map((item) => item.offset) };
  const fields = await Promise.all(directions.list.map(async ({ field }) => field && readField(field, await read(field.url))));
  const named = directions.list.map((site, i): Slider => {
    const vector = vectors.subarray(i * dim, (i + 1) * dim);
    return { name: site.name, title: site.title, kind: site.kind, vector, std: site.std, field: fields[i], site };
  });
  const axes = dimensions.map(({ index }): Slider => {
    const vector = new Float32Array(dim);
    vector[index] = 1;
    const title = `dimension ${index}`;
    const name = named.some((slider) => slider.name === title) ? `the ${title}` : title; // a class may have the same name
    return { name, title, kind: "dimension", vector, std: std[index] || 1, site: null };
  });
  return { sliders: [...named, ...axes], probes, normals };
}
