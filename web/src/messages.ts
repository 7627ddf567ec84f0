/** Written by `python -m tests.write_contract` from the Python package. Do not edit. */

import type { ChartEntry } from "./contract";

// The messages of the server's socket. Numbers in them are little-endian.

/** A request that the page sends over the socket. */
export interface Request {
  id: number;
  run: string;
  stream?: string; // a newer request of a stream replaces those that wait
}

/** float32 (n, dim) -> images */
export interface DecodeRequest extends Request {
  kind: "decode";
  n: number;
  labels?: number[];
  coarse?: boolean; // the quick previews, see RunEntry
}

/** uint8 (n, c, h, w) -> latents */
export interface EncodeRequest extends Request {
  kind: "encode";
  n: number;
  labels?: number[];
}

/** float32 (2, dim) -> latents */
export interface GeodesicRequest extends Request {
  kind: "geodesic";
  label?: number;
}

/** float32 (n, dim) -> neighbors */
export interface NeighborsRequest extends Request {
  kind: "neighbors";
  n: number;
  k: number;
}

/** The real image of a row of `table`, or of a rank beyond -> images */
export interface ImageRequest extends Request {
  kind: "image";
  row: number;
}

/** The latent of a row of `table`, or of a rank beyond -> latents */
export interface LatentRequest extends Request {
  kind: "latent";
  row: number;
}

/** Another layout -> chart */
export interface ChartRequest extends Request {
  kind: "chart";
  layout: string;
  by?: string;
}

/** A timeline as JSON, to be saved in the run under a name -> saved */
export interface TimelineRequest extends Request {
  kind: "timeline";
  name: string;
}

export type ServerRequest = DecodeRequest | EncodeRequest | GeodesicRequest | NeighborsRequest | ImageRequest | LatentRequest | ChartRequest | TimelineRequest;

/** uint8 (n, c, h, w) */
export interface ImagesAnswer {
  id: number;
  kind: "images";
  shape: [number, number, number, number];
}

/** float32 (n, dim) */
export interface LatentsAnswer {
  id: number;
  kind: "latents";
  shape: [number, number];
}

/** int32 rows of `table` (n, k), then float32 distances (n, k) */
export interface NeighborsAnswer {
  id: number;
  kind: "neighbors";
  shape: [number, number];
}

/** float32 positions (count, 2); the lattice and the coverage are at the URLs */
export interface ChartAnswer {
  id: number;
  kind: "chart";
  chart: ChartEntry;
}

/** The file that was written. */
export interface SavedAnswer {
  id: number;
  kind: "saved";
  path: string;
}

/** A newer request of the stream replaced this one. */
export interface DroppedAnswer {
  id: number;
  kind: "dropped";
}

/** Why a request has no answer. */
export interface ErrorAnswer {
  id: number;
  kind: "error";
  code: string;
  message: string;
  hint: string;
}

export type ServerAnswer = ImagesAnswer | LatentsAnswer | NeighborsAnswer | ChartAnswer | SavedAnswer | DroppedAnswer | ErrorAnswer;
