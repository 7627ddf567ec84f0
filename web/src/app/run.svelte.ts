/** One run in the page: its points, charts, directions, decoder and encoder. */

import type { ChartEntry, RunEntry } from "../contract";
import type { Decoder, Encoder, Files, Images } from "../types";
import { countIn, fromHalf, readLatents, readTable, Tiling, type Latents, type Condition, type Count, type Table } from "../data";
import { chooseDecoder, chooseEncoder, latentOf, geodesic, nearestLatents, newChart, pageClassifier, realImage, type Socket } from "../decoder";
import { draw, mean, openPrior, relativeDistances, openSearch, dimensionChart, PlaneInverse, read, stack, stdFrom, stdOf, uniform, type Prior, type Probes, type NeighborSearch } from "../latent";
import { Grid, landmarks, SpriteSheets, type Box } from "../map";
import { readDirections } from "./directions";
import { movedFrom, readLattice, reversed, type LaidChart, type MapPicture } from "./laidChart";
import type { Slider } from "./sliders.svelte";
import { imageName, type Anchor, type SampleName, type SamplePrior } from "./anchor";
import { command } from "./command";
import { Speed } from "./refine";
import { type Place } from "./place";
import { ranked } from "./predictions";
import { numbered, readSamples, type Samples } from "./samples";

const NEAREST = 6; // nearest images that are shown
const LANDMARKS = 4; // dense regions of the map that the page shows first

export class RunState {
  readonly entry: RunEntry;
  readonly files: Files;
  readonly socket: Socket | null;
  table = $state.raw<Table>(null!);
  latents = $state.raw<Latents | null>(null);
  charts = $state.raw<ChartEntry[]>([]);
  chart = $state.raw<LaidChart>(null!);
  sliders = $state.raw<Slider[]>([]);
  probes = $state.raw<Probes | null>(null);
  prior = $state.raw<Prior | null>(null); // prior fitted to the latents after training
  samples = $state.raw<Samples>({}); // numbered samples, of each prior
  fromModelPrior = $state(false); // sample from the model's own prior although one was fitted
  label = $state(0); // class index for a conditional model
  loaded = $state(false); // latents, directions and decoder
  center = $state.raw<Float32Array | null>(null); // that truncation moves latents towards
  where = $state<"page" | "server" | "">("");
  onGpu = $state(false); // whether the browser's GPU decodes
  problem = $state("");
  ready: Promise<void> = Promise.resolve(); // resolves when latents, directions and decoder are loaded
  readonly speed = new Speed(); // of the decoder, which decides whether a preview comes first
  private decoder: Decoder | null = null;
  private encoder: Promise<Encoder> | null = null;
  private classifier: ReturnType<typeof pageClassifier> | null = null;
  private decoding: Promise<Decoder>;
  private search: NeighborSearch | null = null;
  private normals: Float32Array | null = null;
  picture: (() => MapPicture) | null = null; // draws the map as the page shows it
  past = $state.raw<RunState | null>(null); // this run after an earlier epoch, while the page replays that
  before: RunState | null = null; // the same run as the page showed it until now
  private rows: Map<number, number> | null = null;
  readonly sheets: SpriteSheets | null; // thumbnails of the real images
  first!: Table; // the points of the first file
  private tiling: Tiling | null = null;
  private wanted: ChartEntry | null = null; // the chart requested last
  private computedPositions = new Map<string, Float32Array>(); // positions on charts computed by the server

  private constructor(entry: RunEntry, files: Files, socket: Socket | null) {
    this.entry = entry;
    this.files = files;
    this.socket = socket;
    this.charts = entry.charts;
    this.sheets = entry.sprites && new SpriteSheets(entry.sprites, files);
    this.decoding = chooseDecoder(files, entry, socket, () => (this.onGpu = true));
    this.decoding.then(
      (decoder) => {
        this.decoder = decoder;
        this.where = decoder.where;
      },
      (error: Error) => (this.problem = error.message),
    );
  }

  /** Load enough to draw the map and decode from it; `ready` resolves when all is loaded. */
  static async open(entry: RunEntry, files: Files, socket: Socket | null, chart?: string, before?: RunState): Promise<RunState> {
    const run = new RunState(entry, files, socket);
    if (entry.kind === "image" && before?.entry.fingerprint === entry.fingerprint) run.before = before;
    run.first = run.table = await readTable(files, entry);
    await run.show(chart ?? entry.charts[0].name);
    run.ready = run.complete();
    return run;
  }

  /** End the threads of the model and of the search, and free the images. */
  close(): void {
    this.sheets?.clear();
    void this.decoding.then((decoder) => decoder.close(), () => null);
    this.search?.close();
  }

  private async complete(): Promise<void> {
    void this.sheets?.load(this.densest); // the page shows it first
    const [latents] = await Promise.all([readLatents(this.files, this.entry), this.directions(), this.readPrior(), this.readSamples(), this.decoding.catch(() => null)]);
    this.latents = latents;
    if (this.entry.center) this.center = new Float32Array(await this.files.bytes(this.entry.center));
    if (latents) {
      this.search = openSearch(latents.values, latents.dim);
      this.refine(this.chart);
    }
    this.loaded = true;
    void this.sheets?.prefetch(this.densest);
  }

  // Charts

  /** Show the chart with this name; an unknown name changes nothing. */
  async show(name: string | undefined): Promise<void> {
    const site = this.charts.find((item) => item.name === name);
    if (!site) return;
    this.wanted = site;
    if (this.chart?.site === site) return;
    const lattice = await readLattice(this.files, site);
    if (this.wanted !== site) return; // another chart was requested meanwhile
    const positions = this.computedPositions.get(site.name) ?? this.first.positions(site);
    this.setChart(site, positions, new PlaneInverse(site, this.entry.dim, lattice));
  }

  /** Show the points by two latent dimensions. */
  showDimensions(i: number, j: number): void {
    if (!this.latents) return;
    const chart = dimensionChart(this.latents.values, this.latents.dim, i, j);
    const site: ChartEntry = {
      ...chart, x: "", y: "", trustworthiness: NaN, lattice: { url: "", n: 0 }, coverage: "", tiles: null,
    };
    this.setChart(site, chart.positions, new PlaneInverse(chart, this.entry.dim));
  }

  /** Have the server compute another layout, and show it. */
  async make(layout: string, by?: string): Promise<void> {
    const { chart, positions } = await newChart(this.socket!, this.entry, layout, by);
    this.charts = [...this.charts.filter((item) => item.name !== chart.name), chart];
    this.computedPositions.set(chart.name, positions);
    this.setChart(chart, positions, new PlaneInverse(chart, this.entry.dim, await readLattice(this.files, chart)));
  }

  private setChart(site: ChartEntry, positions: Float32Array, inverse: PlaneInverse): void {
    const grid = new Grid(positions);
    const next = { site, positions, grid, inverse, first: { positions, grid }, home: grid };
    this.refine(next);
    this.wanted = site;
    this.chart = next;
    this.table = this.first;
    this.tiling = site.tiles ? new Tiling(this.files, site, this.first) : null;
  }

  /** Load the tiles that a part of the map needs, and show their points. */
  async see(view: Box, scale: number): Promise<void> {
    await this.ready;
    const { tiling, chart } = this;
    const table = await tiling?.load(view, scale).catch(() => null); // without tiles the map shows fewer points
    if (!table || tiling !== this.tiling) return;
    const positions = table.positions(chart.site);
    this.chart = { ...chart, positions, grid: new Grid(positions) };
    this.table = table;
  }

  /** How many points, loaded or not, are in a part of the map and meet the conditions; null if all are loaded. */
  count(view: Box, conditions: readonly Condition[], mask: Uint8Array | null): Count | null {
    const { positions, site } = this.chart;
    return this.tiling && countIn(view, conditions, mask, positions, this.tiling.unloaded, site.box);
  }

  private refine({ first: { positions, grid }, inverse }: LaidChart): void {
    if (!this.latents || inverse.fine) return;
    inverse.refine({ latents: this.latents.values, positions, nearest: (px, py, k) => grid.nearestMany(px, py, k) });
  }

  // Positions and latents

  /** The latent at a position of the map. */
  lift(x: number, y: number): Float32Array {
    return this.chart.inverse.inverse(x, y);
  }

  liftAll = (positions: Float32Array): Float32Array => this.chart.inverse.inverseAll(positions);

  /** Data coverage of a position: 1 inside the data, 0 in a gap. */
  coverage(x: number, y: number): number {
    return this.chart.inverse.coverage(x, y);
  }

  /** Data coverage of an anchor: at its position, if it comes from a chart or the chart is the latent space; otherwise 1. */
  coverageOf({ z, coverage }: Anchor): number {
    if (coverage !== undefined) return coverage;
    const position = this.entry.dim <= 2 && this.chart.site.projection ? this.chart.inverse.forward(z) : null;
    return position ? this.coverage(...position) : 1;
  }

  positionOf(anchor: Anchor): [number, number] {
    if (anchor.row !== null) return [this.chart.positions[2 * anchor.row], this.chart.positions[2 * anchor.row + 1]];
    return this.chart.inverse.forward(anchor.z) ?? [NaN, NaN];
  }

  /** Positions of latents, row by row. */
  async positionsOf(z: Float32Array): Promise<Float32Array> {
    const { dim } = this.entry;
    const positions = new Float32Array((z.length / dim) * 2);
    for (let i = 0; i * dim < z.length; i++) {
      const result = this.chart.inverse.forward(z.subarray(i * dim, (i + 1) * dim));
      if (result) positions.set(result, 2 * i);
      if (i % 8 === 7) await new Promise((done) => setTimeout(done)); // let pointer events run
    }
    return positions;
  }

  /** The anchor of a row. */
  anchor(row: number): Anchor {
    const then = this.past?.rowOf(this.table.index[row]);
    if (then !== undefined) return { ...this.past!.anchor(then), row };
    const z = this.latents && row < this.latents.count ? this.latents.row(row) : this.lift(this.chart.positions[2 * row], this.chart.positions[2 * row + 1]);
    return { z, row, name: "", about: imageName(this, row) };
  }

  /** The anchor of a row with its exact latent, from the server if the page has no latents. */
  async exact(row: number): Promise<Anchor> {
    const anchor = this.anchor(row);
    const lasting = row < this.entry.count ? row : null; // rows of tiles are not stable
    if ((this.latents && lasting !== null) || !this.socket) return { ...anchor, row: lasting };
    return { ...anchor, row: lasting, z: await latentOf(this.socket, this.entry, this.table.rank(row)) };
  }

  /** The real image at full size from the server; null if the page has it already or there is no server. */
  async real(row: number): Promise<Images | null> {
    const { sprites, image } = this.entry;
    const complete = sprites && row < this.entry.count && sprites.width >= image.width && sprites.height >= image.height;
    return complete || !sprites || !this.socket ? null : realImage(this.socket, this.entry, this.table.rank(row));
  }

  /** The row of the image with this index in the data set. */
  rowOf(index: number): number | undefined {
    this.rows ??= new Map(Array.from(this.first.index, (number, row) => [number, row]));
    return this.rows.get(index);
  }

  /** Positions from which the points move to their first chart: where the page showed them until now. */
  get startPositions(): Float32Array | null {
    const { before } = this;
    this.before = null;
    return before && movedFrom(this.chart.positions, this.first.index, before.chart.positions, (index) => before.rowOf(index));
  }

  meanOf(rows: ArrayLike<number>): Float32Array {
    if (!this.latents || !rows.length) return this.typical;
    return mean(this.latents.values, this.latents.dim, rows);
  }

  /** The row whose neighborhood on the first points of the map is the densest. */
  get densest(): number {
    return this.dense[0] ?? 0;
  }

  /** Rows in dense regions of the map, the densest first, far from each other. */
  readonly dense = $derived.by((): number[] => landmarks(this.chart.home, LANDMARKS));

  get typical(): Float32Array {
    return Float32Array.from(this.entry.mean);
  }

  // Images

  /** Decode n latents; null if a newer request of the same stream replaced this one. */
  async decode(z: Float32Array, n: number, stream?: string, label: number | number[] = this.label, coarse = false): Promise<Images | null> {
    if (this.past) return this.past.decode(z, n, stream, label, coarse);
    const decoder = this.decoder ?? (await this.decoding);
    const each = typeof label === "number" ? Array<number>(n).fill(label) : label;
    const labels = this.entry.classes.length ? each : undefined;
    return this.speed.decode(decoder, z.slice(0, n * this.entry.dim), n, { labels, stream }, coarse);
  }

  /** The class index for an anchor: its own, the class of a real image, otherwise the selected one. */
  labelOf(anchor: Anchor): number {
    if (anchor.label !== undefined) return anchor.label;
    const labels = this.entry.columns.find((column) => column.name === "label");
    if (anchor.row === null || !labels || !this.entry.classes.length) return this.label;
    const result = this.entry.classes.indexOf(labels.values?.[this.table.classOf("label")[anchor.row]] ?? "");
    return result < 0 ? this.label : result;
  }

  /** The latent of an image of the model's size. */
  async encode(images: Images): Promise<Float32Array> {
    this.encoder ??= chooseEncoder(this.files, this.entry, this.socket);
    const labels = this.entry.classes.length ? [this.label] : undefined;
    return (await this.encoder).encode(images, labels);
  }

  /** Whether latents can be decoded; a run imported without a decoder cannot. */
  get decodes(): boolean {
    return this.entry.image.channels > 0;
  }

  get encodes(): boolean {
    return this.entry.encoder !== null || (this.socket !== null && this.entry.sprites !== null);
  }

  // Samples

  private async readPrior(): Promise<void> {
    const prior = this.entry.fitted_prior;
    if (prior) this.prior = openPrior(await this.files.bytes(prior.url));
  }

  private async readSamples(): Promise<void> {
    this.samples = await readSamples(this.files, this.entry);
  }

  /** The prior of the samples that the page shows. */
  get samplePrior(): SamplePrior {
    const fitted = this.entry.fitted_prior;
    return fitted && !this.fromModelPrior ? fitted.kind : "random";
  }

  /** The anchor of a numbered sample; null if the page does not have it. */
  numbered(name: SampleName): Anchor | null {
    return numbered(this.samples, name, this.entry.dim);
  }

  /** n random latents from the fitted prior, or from the model's own prior. */
  sample(n: number, seed: number): Float32Array {
    if (this.prior && !this.fromModelPrior) return this.prior.sample(n, uniform(seed));
    return draw(this.entry, n, { seed, latents: this.latents?.values });
  }

  // Neighbors

  /** The nearest rows, and the relative distance from the data; null if a newer request replaced this one. */
  async nearest(z: Float32Array, stream?: string): Promise<{ rows: number[]; distance: number } | null> {
    const { past } = this;
    if (past) {
      const result = await past.nearest(z, stream);
      return result && { ...result, rows: result.rows.flatMap((row) => this.rowOf(past.table.index[row]) ?? []) };
    }
    const { density, latents } = this.entry;
    const k = Math.max(NEAREST, density?.neighbors ?? 0);
    const served = this.socket && !latents;
    if (!this.search && !served) return { rows: [], distance: NaN };
    const result = await (this.search ? this.search.nearest(z, k, stream) : nearestLatents(this.socket!, this.entry, z, k, stream));
    if (!result) return null;
    return { rows: Array.from(result.rows.subarray(0, NEAREST)), distance: density ? relativeDistances(result, z, density)[0] : NaN };
  }

  /** How far each anchor is from the data. */
  async placesOf(anchors: Anchor[]): Promise<Place[]> {
    const { search, entry: { density } } = this.past ?? this;
    const z = stack(anchors.map((anchor) => anchor.z));
    const result = density && (await search?.nearest(z, density.neighbors));
    const distances = result ? relativeDistances(result, z, density) : [];
    return anchors.map((anchor, i) => ({ distance: distances[i] ?? NaN, coverage: this.coverageOf(anchor) }));
  }

  /** Latents of the geodesic between two anchors: precomputed, or computed by the server. */
  async geodesic(a: Anchor, b: Anchor): Promise<Float32Array> {
    const saved = this.entry.geodesics.find(({ start, end }) => (start === a.row && end === b.row) || (start === b.row && end === a.row));
    if (saved) {
      const rows = fromHalf(await this.files.bytes(saved.url));
      return saved.start === a.row ? rows : reversed(rows, this.entry.dim);
    }
    if (this.socket) return geodesic(this.socket, this.entry, a.z, b.z, this.entry.classes.length ? this.label : undefined);
    throw new Error(`Only the server computes other geodesics. Run: ${command("explore", this.entry)}`);
  }

  // Directions

  private async directions(): Promise<void> {
    const { sliders, probes, normals } = await readDirections(this.files, this.entry);
    [this.sliders, this.probes, this.normals] = [sliders, probes, normals];
  }

  /** Linear-probe probabilities for a latent, the highest first. */
  probabilities(z: Float32Array): [string, number][] {
    if (!this.probes?.names.length) return [];
    const numbers = new Set(this.entry.columns.filter(({ kind }) => kind === "number").map(({ name }) => name));
    return ranked(this.probes.names, read(this.probes, z), (name) => !numbers.has(name));
  }

  /** Predictions of the run's classifier for the first image, the highest first; null without a classifier. */
  async classify(images: Images): Promise<[string, number][] | null> {
    const { classifier } = this.entry;
    if (!classifier) return null;
    this.classifier ??= pageClassifier(this.files, this.entry, classifier);
    const result = await this.classifier.then((read) => read(images)).catch(() => null); // the linear probes remain
    if (!result) return null;
    return ranked(classifier.names, result, (_, i) => classifier.kinds[i] !== "number");
  }

  /** The normal of an attribute's hyperplane; a direction orthogonal to it keeps the attribute constant. */
  normalOf(name: string): Float32Array | null {
    const i = this.probes?.names.indexOf(name) ?? -1;
    return i < 0 || !this.normals ? null : this.normals.subarray(i * this.entry.dim, (i + 1) * this.entry.dim);
  }

  /** Standard deviation of the latents along a unit vector. */
  std = (vector: Float32Array): number =>
    this.latents ? stdOf(vector, this.latents.values) : stdFrom(vector, this.entry.std);
}
