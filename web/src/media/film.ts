/** Frames as a film: H.264 in MP4 if the browser supports it, otherwise VP9 in WebM. */

import type { Frames } from "./scene";

export interface FilmOptions {
  rate: number; // images per second
  onprogress?: (done: number) => void; // called with the completed share
}

export interface Film {
  blob: Blob;
  kind: "mp4" | "webm"; // also the file extension
}

/** The film writer is large, so it is loaded on first use. */
export async function film(frames: Frames, options: FilmOptions): Promise<Film> {
  const { writeFilm } = await import("./mp4");
  return writeFilm(frames, options);
}
