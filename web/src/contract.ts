/** What a run's pages read, and what the page's own rooms promise each other. The Python side of it is `site`. */

// The tree of files. Every URL is relative to the page; numbers in files are little-endian.

/** `data/manifest.json` */
export interface Manifest {
  format: 1;
  zatlas: string; // the version that wrote it
  runs: RunSite[]; // one, or two to compare
  socket: string | null; // relative URL of the live server's WebSocket; null in an export
}

export interface RunSite {
  id: string; // "a" or "b"
  stamp: string; // changes when anything of the run changes
  name: string;
  words: string; // one line: "VAE, 32 latent axes"
  data: string; // name of the data set
  fingerprint: string; // of the data: two runs with the same one are of the same images
  family: string; // "vae", "ae", "gan" ...
  dim: number;
  prior: "normal" | "sphere" | "none";
  image: { channels: number; height: number; width: number };
  told: string[]; // classes a conditional model is told; empty if it is not
  kind: "image" | "sample" | "code"; // what a point is: that of a real image, one of the prior, a code without an image
  total: number; // images in the data set that could be shown
  count: number; // points in `points`, a fair draw in random order if fewer than `total`
  points: string; // Arrow IPC file of `count` rows, see Column
  codes: string | null; // (count, dim) float16, row by row; null if too large for a page
  columns: Column[];
  charts: ChartSite[]; // the first is shown first
  sprites: Sprites | null; // null where points are samples without images
  density: { usual: number; lonely: number; neighbours: number } | null; // see `far` below
  decoder: ModelFile | null; // null: only the server decodes
  encoder: ModelFile | null;
  axes: { index: number; change: number }[]; // latent axes, the most telling first
  middle: number[]; // mean of the codes
  deviation: number[]; // standard deviation of each axis of the codes
  ways: DirectionsSite; // directions
  scorer: ClassifierFile | null; // null: what a place reads as is only estimated from its code
  geodesics: Geodesic[]; // made beforehand, for pages without a server
  fitted: FittedPrior | null; // what samples are drawn from, if not from the run's own prior
  training: Training | null; // of a run that is still being trained
  notice?: string | null; // why the run cannot be read now; the page shows what was read before
}

/** A column of `points`. Always there: `index` (row in the data set). */
export interface Column {
  name: string; // in the Arrow file
  title: string;
  kind: "class" | "flag" | "number"; // class: uint8/uint16 into `values`; flag: uint8 0 or 1; number: float32, NaN is missing
  values?: string[];
  range?: [number, number]; // of a number: 1st and 99th percentile
}
// Usual columns: "split" and "label" (class), "error" (number, root mean square of pixels), attributes.

export interface ChartSite {
  name: string; // "umap", "umap by label", "pca" ...
  title: string;
  x: string; // columns of `points`, float32
  y: string;
  trust: number; // trustworthiness
  box: [number, number, number, number]; // left, bottom, right, top
  lattice: { url: string; n: number }; // (n*n, dim) float16 codes of a grid over the box, row by row from the top left
  cover: string; // (n*n) uint8 for the same grid: 255 amid the data, 0 in a hole
  frame: { axes: number[]; middle: number[]; origin: [number, number] } | null; // of a plain projection: (2*dim), place = origin + (z - middle) @ axes.T
  reach: number; // the 17th nearest point is at most that far where there is data
  tiles: Tiles | null; // of the points that are too many for `points`
}

/** The points that `points` has no room for: squares of the chart's box, halved again and again, each with a fair draw. */
export interface Tiles {
  url: string; // and then "level-x-y.arrow": the columns of `points`, and `rank`, the place in the draw of all points
  squares: Square[]; // of the first level; those within a square are told by its tile, as JSON under "zatlas" of its metadata
}

/** A square with a tile. All points of a square without one are in the larger tiles, or in `points`. */
export interface Square {
  level: number; // the box is 2 ** level squares wide and high
  x: number; // from the left
  y: number; // from the bottom
  count: number; // points of its tile and of the tiles within it; no larger tile has them
  counts: Record<string, number[]>; // of these, how many have each value of a class, or 0 and 1 of a flag
}

export interface Sprites {
  width: number; // of one tile; smaller than the image if that is large
  height: number;
  across: number; // tiles in a row of a page
  down: number; // rows of a page
  pages: string[]; // PNG or WebP; point r is on page floor(r / (across * down))
}

export interface ModelFile {
  url: string; // ONNX, our own weights in float16; z (n, dim) -> x (n, c, h, w) in [0, 1], or x -> z; told models take y (n) int64 too
  bytes: number;
}

export interface DirectionsSite {
  vectors: string; // float32, (list.length, dim): unit vectors
  list: DirectionSite[];
  normals: string; // float32, (probes.length, dim): normals of the attributes' planes, for "without"
  probes: { name: string; offset: number }[]; // P(name | z) = 1 / (1 + exp(-(z . weights + offset)))
  weights: string; // float32, (probes.length, dim)
}

export interface DirectionSite {
  name: string;
  title: string;
  kind: "attribute" | "class" | "principal" | "saved";
  spread: number; // standard deviation of the codes along the vector
  score: { area: number; low: number; high: number; chance: number } | null;
  share: number | null; // of a principal direction: part of the codes' variance
  effects: Record<string, number>; // mean change of each probe by one spread
  range?: [number, number]; // spreads between which the edit still follows, measured on decoded images
  meant?: string; // the attribute that it is to move, where that is not its name
  proof?: { real: boolean; times: string; words: string }; // of a proved one: better than random directions, how much, all in words
  bends?: FieldSite; // of a way that is followed step by step; its row of `vectors` is where it leads on the mean
}

/** A field: a net of three layers that reads points in spreads from their mean. */
export interface FieldSite {
  url: string; // float32: middle, spread (axes each), three weights (from, to) row by row, three offsets
  field: "uphill" | "wind"; // up the slope of the first answer while the others are held, or what the net says
  sizes: number[]; // axes, units of either hidden layer, answers
  hold: number; // how softly the other answers are held
}

/** What the run's scorer reads of pictures. */
export interface ClassifierFile extends ModelFile {
  names: string[]; // x (n, c, h, w) in [0, 1] -> scores (n, names.length)
  kinds: ("flag" | "number" | "class")[]; // a number is a value, the others are probabilities
}

export interface Geodesic {
  from: number; // row of `points`
  to: number;
  url: string; // float16 (steps, dim)
  steps: number;
}

/** A prior that was fitted to the codes after training. */
export interface FittedPrior {
  kind: "mixture" | "flow";
  url: string; // the run's own file of it, safetensors
  bytes: number;
  nats: number; // mean log-density of codes that it was not fitted to
  own: number; // the same under the run's own prior
}

export interface Training {
  epoch: number;
  epochs: number;
  running: boolean;
  metrics: Record<string, number>[]; // rows of metrics.jsonl
}

/**
 * How far z is from the data: max(0, 1 + (mean distance to the `neighbours` nearest codes - usual) / (lonely - usual)).
 * 1 is usual; beyond 2 lies one code in a hundred.
 */
export type Far = number;

// The server's socket. A frame either way: uint32 length of a JSON header, the header as UTF-8, then the payload.

export type ServerRequest = { id: number; run: string; stream?: string } & ( // a newer ask of a stream replaces those that wait
  | { kind: "decode"; n: number; labels?: number[] } // float32 (n, dim) -> images
  | { kind: "encode"; n: number; labels?: number[] } // uint8 (n, c, h, w) -> points
  | { kind: "geodesic"; label?: number } // float32 (2, dim) -> points
  | { kind: "nearest"; n: number; k: number } // float32 (n, dim) -> near
  | { kind: "image"; row: number } // the real image of a row of `points`, or of a rank beyond -> images
  | { kind: "code"; row: number } // -> points
  | { kind: "chart"; layout: string; by?: string } // -> chart
);

export type ServerAnswer = { id: number } & (
  | { kind: "images"; shape: [number, number, number, number] } // uint8 (n, c, h, w)
  | { kind: "points"; shape: [number, number] } // float32
  | { kind: "near"; shape: [number, number] } // int32 rows of `points` (n, k), then float32 distances (n, k)
  | { kind: "chart"; chart: ChartSite } // float32 places (count, 2); the lattice and the cover are at the URLs
  | { kind: "dropped" } // a newer one of its stream came
  | { kind: "error"; code: string; message: string; hint: string }
);

// The page's rooms.

/** Where files come from: a server's folder, or the page itself. */
export interface Files {
  bytes(url: string): Promise<ArrayBuffer>;
  image(url: string): Promise<ImageBitmap>;
}

/** Images as a canvas wants them. */
export interface Pictures {
  count: number;
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>; // count * height * width * 4
}

/** Makes images of points; the page's own, or the server's. */
export interface Decoder {
  readonly where: "page" | "server";
  /** null: a newer ask of the same stream came before this one was begun. */
  decode(z: Float32Array, n: number, options?: { labels?: number[]; stream?: string }): Promise<Pictures | null>;
  close(): void;
}

export interface Encoder {
  readonly where: "page" | "server";
  encode(pictures: Pictures, labels?: number[]): Promise<Float32Array>;
}

export interface View {
  x: number; // place in the middle of the canvas
  y: number;
  scale: number; // CSS pixels a unit of the chart
}
