/** Written by `python -m tests.write_contract` from the Python package. Do not edit. */

export * from "./constants";
export * from "./messages";

// The manifest. URLs are relative to the page; numbers in files are little-endian.

export type RowKind = "image" | "sample" | "latent";

/** The size of a latent or of an image. */
export interface Shape {
  channels: number; // 0 if the run has no decoder
  height: number;
  width: number;
}

/** A latent space of a model, such as the w of a StyleGAN. */
export interface SpaceEntry {
  name: string;
  dim: number;
  entry: string | null; // URL of its RunEntry; null for the space of the manifest's own entry
}

/** Layers of a latent of shape (layers, width) that are mixed together. */
export interface LayerEntry {
  name: string; // "coarse", "medium", "fine"; of a class embedding "latent", "class"
  first: number; // layer
  last: number;
  columns: [number, number]; // of the flat latent: the first one, and the one after the last
}

/** The vectors of the classes of a model in the space of its class embedding. */
export interface ClassLatents {
  url: string; // float16, (names.length, width)
  names: string[];
}

/** What a run is, before anything is computed from it. */
export interface RunIdentity {
  id: string; // "a" or "b"; with a number in another latent space, as "a-1"
  stamp: string; // changes when anything of the run changes
  name: string; // of the folder and, unless it is "z", of the latent space: "portraits (w)"
  folder: string; // the name of the run's folder
  space: string; // the latent space: "z" is the input of the model
  spaces: SpaceEntry[]; // that the page can show; empty if there is only one
  layers: LayerEntry[]; // empty if latents have no layers
  summary: string; // one line: "VAE, 32 latent dimensions"
  data: string; // name of the data set
  fingerprint: string; // of the data set: runs with the same one have the same images
  family: string; // "vae", "ae", "gan" ...
  dim: number;
  prior: "normal" | "sphere" | "none" | "mapped";
  image: Shape;
  coarse: number | null; // pixels of a side of the quick previews that a server decodes; null if it has none
  classes: string[]; // class names of a conditional model, otherwise empty
  kind: RowKind;
}

/** A column of `table`. Every file also has `index`, the row in the data set. */
export interface Column {
  name: string; // in the Arrow file
  title: string;
  kind: "class" | "flag" | "number"; // uint8 or uint16; 0 or 1; float32
  values?: string[]; // of a class
  range?: [number, number]; // of a number: 1st and 99th percentile
}

/** The inverse of a chart on a grid. */
export interface LatticeFile {
  url: string; // (n * n, dim) float16: latents of a grid over the box, row by row from the top left
  n: number;
}

/** A linear projection: position = origin + (z - mean) @ components.T */
export interface Projection {
  components: number[]; // (2, dim), flat
  mean: number[];
  origin: [number, number];
}

/** A square of a chart with a tile. Points in squares without one are in larger tiles, or in `table`. */
export interface Square {
  level: number; // the box is 2 ** level squares wide and high
  x: number; // from the left
  y: number; // from the bottom
  count: number; // points of its tile and of all tiles inside it
  counts: Record<string, number[]>; // by column: how many of them have each value
}

/** The points that do not fit into `table`, in the squares of a chart's box that is halved repeatedly. */
export interface Tiles {
  url: string; // followed by "level-x-y.arrow": the columns of `table`, and `rank` among all points
  squares: Square[]; // of the first level; a tile's metadata "zatlas" lists those inside it
}

/** A chart: positions of the latents in two dimensions. */
export interface ChartEntry {
  name: string; // "grid_umap", "grid_umap by label", "pca" ...
  title: string;
  x: string; // columns of `table`, float32
  y: string;
  trustworthiness: number;
  box: [number, number, number, number]; // left, bottom, right, top
  lattice: LatticeFile;
  coverage: string; // (n * n) uint8 for the same grid: 255 inside the data, 0 in a gap
  projection: Projection | null; // of a linear chart
  reach: number; // the 17th nearest point is at most this far inside the data
  averaged: number; // nearest points that the latent of a position is averaged over
  tiles: Tiles | null;
}

/** Thumbnails of the images, in sheets. */
export interface Sprites {
  width: number; // of one thumbnail; smaller than the image if that is large
  height: number;
  columns: number; // thumbnails per row of a sheet
  rows: number; // of a sheet
  sheets: string[]; // PNG or WebP; thumbnail i is on sheet floor(i / (columns * rows))
}

/** The relative distance of a latent from the data: 1 is typical, and 1 % of encoded images are beyond 2.

`scale` of the larger of two numbers: `distance_scale` of d and `norm_scale` of |norm - typical_norm|,
where norm = sqrt(sum(weights * (z - center)^2)), and d is the mean over the nearest latents of
sqrt(max(0, distance^2 - noise)), with the noise = sum((z - center)^2) over dimensions without weight. */
export interface DensityEntry {
  neighbors: number;
  center: number[];
  weights: number[]; // the inverse of each dimension's variance; 0 if it holds only noise
  distance_scale: [number, number]; // the values that count as 1 and as 2; it is linear
  typical_norm: number;
  norm_scale: [number, number];
  scale: [number, number];
}

/** An ONNX file that the page runs. */
export interface ModelFile {
  url: string; // ONNX: z (n, dim) -> x (n, c, h, w) in [0, 1], or x -> z; with y (n) int64 if conditional
  bytes: number;
}

/** A dimension of the latent space. */
export interface DimensionEntry {
  index: number;
  change: number; // root mean square of the image's change from one std below to one std above
}

/** How well a direction separates the images with its attribute from the others. */
export interface ScoreEntry {
  auc: number; // area under the ROC curve on held-out latents
  low: number; // 95 % interval
  high: number;
  random_limit: number; // 97.5 % of directions fitted to shuffled labels stay below this
}

/** What a direction changes in decoded images. */
export interface ReportEntry {
  significant: boolean; // whether it exceeds shuffled labels, or random directions if it has no labels
  verdict: string; // as "better than shuffled labels (p = 0.005)"
  text: string;
}

/** A nonlinear direction: a net of three layers that reads latents standardized by its mean and std. */
export interface FieldEntry {
  url: string; // float32: mean, std, three weight matrices (from, to) row by row, three offsets
  kind: "gradient" | "vector"; // of the first output, or the output itself
  sizes: number[]; // dimensions, units of both hidden layers, outputs
  ridge: number; // of the projection that holds the other outputs
}

/** A direction of the latent space. */
export interface DirectionEntry {
  name: string;
  title: string;
  kind: "attribute" | "class" | "closed_form" | "principal" | "saved";
  std: number; // of the latents along the vector
  score: ScoreEntry | null;
  explained_variance: number | null; // of a principal component: share of the total variance
  effects: Record<string, number>; // mean change of each probe by one standard deviation
  range?: [number, number]; // amounts between which the edit works
  description?: string; // the attribute that it should move, if that is not its name
  report?: ReportEntry;
  field?: FieldEntry; // of a nonlinear direction; its row of `vectors` is its mean step
}

/** A linear model that predicts an attribute from a latent. */
export interface ProbeEntry {
  name: string;
  offset: number; // P(name | z) = 1 / (1 + exp(-(z . weights + offset)))
}

/** All directions and probes of a run. */
export interface DirectionsEntry {
  vectors: string; // float32, (list.length, dim): unit vectors
  list: DirectionEntry[];
  normals: string; // float32, (probes.length, dim): normals of the attributes' hyperplanes
  probes: ProbeEntry[];
  weights: string; // float32, (probes.length, dim)
}

/** x (n, c, h, w) in [0, 1] -> (n, names.length) */
export interface ClassifierFile extends ModelFile {
  names: string[];
  kinds: ("flag" | "number" | "class")[]; // a number is a value, the others are probabilities
}

/** A geodesic that was computed in advance. */
export interface GeodesicEntry {
  start: number; // row of `table`
  end: number;
  url: string; // float16, (steps, dim)
  steps: number;
}

/** A prior that was fitted to the latents after training. */
export interface FittedPrior {
  kind: "mixture" | "flow";
  url: string; // safetensors
  bytes: number;
  samples: string; // float16, (n, dim): the samples that `zatlas sample` numbers
  log_density: number; // mean over held-out latents, in nats
  model_log_density: number; // the same under the model's own prior
}

/** How far the training has come. */
export interface Training {
  epoch: number;
  epochs: number;
  running: boolean;
  metrics: Record<string, number>[]; // rows of metrics.jsonl
}

/** A keyframe of a timeline: a latent with its edits, or an anchor that the edits move. */
export interface KeyframeEntry {
  anchor?: string;
  latent?: number[];
  label?: string; // class of a conditional model
  hold?: number; // seconds
  seconds?: number; // to the next keyframe
  easing?: string;
  edits?: Record<string, number>; // direction -> standard deviations
}

/** A timeline that was saved in the run. */
export interface TimelineEntry {
  format: 1;
  keyframes: KeyframeEntry[];
  method?: string | null;
  closed?: boolean;
  constant_rate?: boolean;
}

/** What is computed from a run. */
export interface RunContent {
  total: number; // rows of the data set that could be shown
  count: number; // rows of `table`: all, or a uniform sample in random order
  table: string; // Arrow IPC file, see Column
  latents: string | null; // (count, dim) float16; null if too large for a page
  columns: Column[];
  charts: ChartEntry[]; // the first is shown first
  sprites: Sprites | null; // null for rows without images
  density: DensityEntry | null;
  decoder: ModelFile | null; // null: only the server decodes
  encoder: ModelFile | null;
  dimensions: DimensionEntry[]; // those that change the image most first
  class_latents: ClassLatents | null; // of a class embedding: the layer "class" of each class
  center: string | null; // float32 (dim): the mean that truncation moves towards; null if the space has none
  mean: number[]; // of the latents
  std: number[]; // of each dimension
  directions: DirectionsEntry;
  classifier: ClassifierFile | null; // null: attributes are only estimated by linear probes
  geodesics: GeodesicEntry[]; // for pages without a server
  samples: string | null; // as in FittedPrior, of the model's own prior; null in training or without decoder
}

/** A run in the manifest. */
export interface RunEntry extends RunIdentity, RunContent {
  fitted_prior: FittedPrior | null; // null: the page samples from the model's own prior
  training: Training | null; // of a run that is still being trained
  timelines?: Record<string, TimelineEntry>; // by name
  notice?: string | null; // why the run cannot be read now; the page shows what was read before
}

/** data/manifest.json */
export interface Manifest {
  format: 1;
  zatlas: string; // the version that wrote it
  runs: RunEntry[]; // one, or two to compare
  socket: string | null; // relative URL of the live server's WebSocket; null in an export
  story?: string; // Markdown of the story that the page opens with
}
