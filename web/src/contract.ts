/** Written by `python -m tests.write_contract` from src/zatlas/site/schema.py. Do not edit. */

// The manifest and the server's socket. URLs are relative to the page; numbers in files are little-endian.

export const FORMAT = 1; // of the manifest
export const SHELL = 8; // dimensions from which on samples of a normal prior lie on a shell
export const DENSE = 48; // straight pieces per spline segment
export const FORWARD = 8; // neighbors that determine a position on a chart
export const INVERSE = 16; // neighbors that determine the latent at a position
export const CHART_MARGIN = 0.02; // of the box around the positions of a chart, on each side
export const FIELD_STEP = 0.375; // largest step along a nonlinear direction, in standard deviations
export const PRIOR_KEY = "zatlas-prior"; // of the metadata of a fitted prior's file
export const PRIOR_FORMAT = 1; // of that file
export const COUPLING_LIMIT = 2; // of a coupling's log-scale
export const SPLINE_REACH = 5; // the splines of a flow are the identity beyond this
export const SPLINE_MIN = 0.01; // minimum bin width, bin height and derivative of these splines
export const MAX_COMPONENTS = 64; // principal components in which a preference is estimated
export const MIN_STD = 0.05; // components with a smaller share of the largest std are ignored
export const MAX_PAIRWISE = 16; // most components for questions of 2 images; above, GROUP images
export const GROUP = 6; // images of a question in many dimensions
export const RADIUS = 2.5; // distance of the shown images from the starting latent, in std
export const ERROR_RATE = 0.1; // of the user's answers
export const NOISE = 0.3; // preference difference below which answers are close to random
export const SWEEPS = 3; // of expectation propagation over all answers
export const CANDIDATES = 60; // questions, of which the most informative is shown
export const SAMPLES = 100; // posterior samples for the information of a question

export type Far = number; // distance from the data: 1 is usual, and one encoded image in a hundred is beyond 2

export type RowKind = "image" | "sample" | "code"; // what a row is: an encoded image, a sample, an imported latent

/** The size of a latent or of an image. */
export interface Shape {
  channels: number; // 0 if the run has no decoder
  height: number;
  width: number;
}

/** What a run is, before anything is computed from it. */
export interface RunIdentity {
  id: string; // "a" or "b"
  stamp: string; // changes when anything of the run changes
  name: string;
  words: string; // one line: "VAE, 32 latent dimensions"
  data: string; // name of the data set
  fingerprint: string; // of the data set: runs with the same one have the same images
  family: string; // "vae", "ae", "gan" ...
  dim: number;
  prior: "normal" | "sphere" | "none";
  image: Shape;
  told: string[]; // class names of a conditional model, otherwise empty
  kind: RowKind;
}

/** A column of `points`. Every file has `index`, the row in the data set, besides. */
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

/** A linear projection: position = origin + (z - middle) @ axes.T */
export interface Frame {
  axes: number[]; // (2, dim), flat
  middle: number[];
  origin: [number, number];
}

/** A square of a chart with a tile. Points in squares without one are in larger tiles, or in `points`. */
export interface Square {
  level: number; // the box is 2 ** level squares wide and high
  x: number; // from the left
  y: number; // from the bottom
  count: number; // points of its tile and of all tiles inside it
  counts: Record<string, number[]>; // by column: how many of them have each value
}

/** The points that do not fit into `points`, in the squares of a chart's box that is halved repeatedly. */
export interface Tiles {
  url: string; // followed by "level-x-y.arrow": the columns of `points`, and `rank` among all points
  squares: Square[]; // of the first level; a tile's metadata "zatlas" lists those inside it
}

/** A chart: positions of the latents in two dimensions. */
export interface ChartEntry {
  name: string; // "grid_umap", "grid_umap by label", "pca" ...
  title: string;
  x: string; // columns of `points`, float32
  y: string;
  trust: number; // trustworthiness
  box: [number, number, number, number]; // left, bottom, right, top
  lattice: LatticeFile;
  cover: string; // (n * n) uint8 for the same grid: 255 inside the data, 0 in a gap
  frame: Frame | null; // of a linear projection
  reach: number; // the 17th nearest point is at most this far inside the data
  tiles: Tiles | null;
}

/** Thumbnails of the images, in sheets. */
export interface Sprites {
  width: number; // of one thumbnail; smaller than the image if that is large
  height: number;
  across: number; // thumbnails per row of a page
  down: number; // rows of a page
  pages: string[]; // PNG or WebP; row r is on page floor(r / (across * down))
}

/** far = max(0, 1 + (mean distance to the `neighbours` nearest latents - usual) / (lonely - usual)) */
export interface DensityEntry {
  usual: number;
  lonely: number;
  neighbours: number;
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
  area: number; // area under the ROC curve on held-out latents
  low: number; // 95 % interval
  high: number;
  chance: number; // 97.5 % of directions fitted to shuffled labels stay below this
}

/** What a direction changes in decoded images. */
export interface ReportEntry {
  real: boolean; // whether it moves its attribute more than random directions do
  times: string; // how many times as much
  words: string;
}

/** A nonlinear direction: a net of three layers that reads latents standardized by its mean and std. */
export interface FieldEntry {
  url: string; // float32: mean, std, three weight matrices (from, to) row by row, three offsets
  field: "gradient" | "vector"; // gradient of the first output, or the output
  sizes: number[]; // dimensions, units of both hidden layers, outputs
  hold: number; // ridge term for holding the other outputs
}

/** A direction of the latent space. */
export interface DirectionEntry {
  name: string;
  title: string;
  kind: "attribute" | "class" | "principal" | "saved";
  spread: number; // standard deviation of the latents along the vector
  score: ScoreEntry | null;
  share: number | null; // of a principal component: share of the variance
  effects: Record<string, number>; // mean change of each probe by one standard deviation
  range?: [number, number]; // amounts between which the edit works
  meant?: string; // the attribute that it should move, if that is not its name
  proof?: ReportEntry;
  bends?: FieldEntry; // of a nonlinear direction; its row of `vectors` is its mean step
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

export interface GeodesicEntry {
  from: number; // row of `points`
  to: number;
  url: string; // float16, (steps, dim)
  steps: number;
}

/** A prior that was fitted to the latents after training. */
export interface FittedPrior {
  kind: "mixture" | "flow";
  url: string; // safetensors
  bytes: number;
  nats: number; // mean log-density of held-out latents
  own: number; // the same under the model's own prior
}

/** How far the training has come. */
export interface Training {
  epoch: number;
  epochs: number;
  running: boolean;
  metrics: Record<string, number>[]; // rows of metrics.jsonl
}

/** What is computed from a run. */
export interface RunContent {
  total: number; // rows of the data set that could be shown
  count: number; // rows of `points`: all, or a uniform sample in random order
  points: string; // Arrow IPC file, see Column
  codes: string | null; // latents, (count, dim) float16; null if too large for a page
  columns: Column[];
  charts: ChartEntry[]; // the first is shown first
  sprites: Sprites | null; // null for rows without images
  density: DensityEntry | null;
  decoder: ModelFile | null; // null: only the server decodes
  encoder: ModelFile | null;
  axes: DimensionEntry[]; // latent dimensions, those that change the image most first
  middle: number[]; // mean of the latents
  deviation: number[]; // standard deviation of each dimension
  ways: DirectionsEntry;
  scorer: ClassifierFile | null; // null: attributes are only estimated by linear probes
  geodesics: GeodesicEntry[]; // precomputed, for pages without a server
}

/** A run in the manifest. */
export interface RunEntry extends RunIdentity, RunContent {
  fitted: FittedPrior | null; // null: samples are drawn from the model's own prior
  training: Training | null; // of a run that is still being trained
  notice?: string | null; // why the run cannot be read now; the page shows what was read before
}

/** data/manifest.json */
export interface Manifest {
  format: 1;
  zatlas: string; // the version that wrote it
  runs: RunEntry[]; // one, or two to compare
  socket: string | null; // relative URL of the live server's WebSocket; null in an export
}

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
}

/** uint8 (n, c, h, w) -> points */
export interface EncodeRequest extends Request {
  kind: "encode";
  n: number;
  labels?: number[];
}

/** float32 (2, dim) -> points */
export interface GeodesicRequest extends Request {
  kind: "geodesic";
  label?: number;
}

/** float32 (n, dim) -> near */
export interface NearestRequest extends Request {
  kind: "nearest";
  n: number;
  k: number;
}

/** The real image of a row of `points`, or of a rank beyond -> images */
export interface ImageRequest extends Request {
  kind: "image";
  row: number;
}

/** The latent of a row of `points`, or of a rank beyond -> points */
export interface LatentRequest extends Request {
  kind: "code";
  row: number;
}

/** Another layout -> chart */
export interface ChartRequest extends Request {
  kind: "chart";
  layout: string;
  by?: string;
}

export type ServerRequest = DecodeRequest | EncodeRequest | GeodesicRequest | NearestRequest | ImageRequest | LatentRequest | ChartRequest;

/** uint8 (n, c, h, w) */
export interface ImagesAnswer {
  id: number;
  kind: "images";
  shape: [number, number, number, number];
}

/** float32 (n, dim) */
export interface PointsAnswer {
  id: number;
  kind: "points";
  shape: [number, number];
}

/** int32 rows of `points` (n, k), then float32 distances (n, k) */
export interface NearAnswer {
  id: number;
  kind: "near";
  shape: [number, number];
}

/** float32 positions (count, 2); the lattice and the cover are at the URLs */
export interface ChartAnswer {
  id: number;
  kind: "chart";
  chart: ChartEntry;
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

export type ServerAnswer = ImagesAnswer | PointsAnswer | NearAnswer | ChartAnswer | DroppedAnswer | ErrorAnswer;
