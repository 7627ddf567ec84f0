/** Pictures as a film: H.264 in an MP4 file where the browser can write it, else VP9 in WebM. */

import type { Pictures } from "../contract";

export interface FilmOptions {
  rate: number; // pictures a second
  least?: number; // pixels of the longer side; small images are enlarged
  told?: (done: number) => void; // share done
}

export interface Film {
  blob: Blob;
  kind: "mp4" | "webm"; // also the ending of its file's name
}

/** What writes films is large and few people make one: it is loaded now. */
export async function film(pictures: Pictures, options: FilmOptions): Promise<Film> {
  const { writeFilm } = await import("./mp4");
  return writeFilm(pictures, options);
}
