/** One run in the page: its points, its charts both ways, and what decodes. */

import type { ChartSite, Decoder, Encoder, Files, Pictures, RunSite } from "../contract";
import { countIn, fromHalf, readCodes, readTable, Tiling, type Codes, type Condition, type Count, type Table } from "../data";
import { chooseDecoder, chooseEncoder, codeOf, geodesic, nearestCodes, newChart, pageScorer, realImage, type Socket } from "../decoder";
import { draw, far, mean, openPrior, openSeeker, ownAxes, PlaneInverse, read, readField, spreadBy, spreadOf, uniform, type Lattice, type Prior, type Probes, type Seeker } from "../latent";
import { Grid, tileOf, type Box } from "../map";
import type { Knob } from "./knobs.svelte";
import { imageName, type Spot } from "./spot";
import { shellWord } from "./words";

const SHOWN = 6; // nearest images that are shown

/** A chart with its points in place. */
export interface Laid {
  site: ChartSite;
  places: Float32Array;
  grid: Grid;
  inverse: PlaneInverse;
  first: { places: Float32Array; grid: Grid }; // without what tiles added: a fair draw
}

export class RunState {
  readonly entry: RunSite;
  readonly files: Files;
  readonly socket: Socket | null;
  table = $state.raw<Table>(null!);
  codes = $state.raw<Codes | null>(null);
  charts = $state.raw<ChartSite[]>([]);
  chart = $state.raw<Laid>(null!);
  knobs = $state.raw<Knob[]>([]);
  probes = $state.raw<Probes | null>(null);
  prior = $state.raw<Prior | null>(null); // fitted to the codes after training
  fromOwn = $state(false); // samples are drawn from the model's own prior all the same
  told = $state(0); // the class that a conditional model is told
  where = $state<"page" | "server" | "">("");
  problem = $state("");
  ready: Promise<void> = Promise.resolve(); // codes, directions and the decoder are there
  private decoder: Decoder | null = null;
  private encoder: Promise<Encoder> | null = null;
  private scorer: ReturnType<typeof pageScorer> | null = null;
  private decoding: Promise<Decoder>;
  private seeker: Seeker | null = null;
  private normals: Float32Array | null = null;
  private rows: Map<number, number> | null = null;
  private sheets: Promise<ImageBitmap>[] = []; // pages of tiles
  private first!: Table; // the points that are there from the start
  private tiling: Tiling | null = null;
  private wanted: ChartSite | null = null; // the chart that was asked for last
  private placed = new Map<string, Float32Array>(); // of charts that the server made meanwhile

  private constructor(entry: RunSite, files: Files, socket: Socket | null) {
    this.entry = entry;
    this.files = files;
    this.socket = socket;
    this.charts = entry.charts;
    this.decoding = chooseDecoder(files, entry, socket);
    this.decoding.then(
      (decoder) => {
        this.decoder = decoder;
        this.where = decoder.where;
      },
      (error: Error) => (this.problem = error.message),
    );
  }

  /** Enough to draw the map and to decode from it; the rest comes behind. */
  static async open(entry: RunSite, files: Files, socket: Socket | null, chart?: string): Promise<RunState> {
    const run = new RunState(entry, files, socket);
    run.first = run.table = await readTable(files, entry);
    await run.show(chart ?? entry.charts[0].name);
    run.ready = run.complete();
    return run;
  }

  private async complete(): Promise<void> {
    const [codes] = await Promise.all([readCodes(this.files, this.entry), this.readWays(), this.readPrior(), this.decoding.catch(() => null)]);
    this.codes = codes;
    if (!codes) return;
    this.seeker = openSeeker(codes.values, codes.dim);
    this.refine(this.chart);
  }

  // Charts

  /** Lay the points out by this chart; one that is not there leaves the map as it is. */
  async show(name: string | undefined): Promise<void> {
    const site = this.charts.find((one) => one.name === name);
    if (!site) return;
    this.wanted = site;
    if (this.chart?.site === site) return;
    const lattice = await this.latticeOf(site);
    if (this.wanted !== site) return; // another was asked for meanwhile
    const places = this.placed.get(site.name) ?? this.first.places(site);
    this.lay(site, places, new PlaneInverse(site, this.entry.dim, lattice));
  }

  private async latticeOf(site: ChartSite): Promise<Lattice> {
    const [codes, cover] = await Promise.all([this.files.bytes(site.lattice.url), this.files.bytes(site.cover)]);
    return { codes: fromHalf(codes), cover: new Uint8Array(cover), n: site.lattice.n };
  }

  /** Lay the points out by two of the latent axes. */
  showAxes(i: number, j: number): void {
    if (!this.codes) return;
    const own = ownAxes(this.codes.values, this.codes.dim, i, j);
    const places = new Float32Array(2 * own.places.x.length);
    own.places.x.forEach((x, row) => places.set([x, own.places.y[row]], 2 * row));
    const site: ChartSite = {
      ...own, x: "", y: "", trust: NaN, lattice: { url: "", n: 0 }, cover: "", tiles: null,
    };
    this.lay(site, places, new PlaneInverse(own, this.entry.dim));
  }

  /** Have the server lay the points out anew. */
  async make(layout: string, by?: string): Promise<void> {
    const { chart, x, y } = await newChart(this.socket!, this.entry, layout, by);
    const places = Float32Array.from({ length: 2 * x.length }, (_, i) => (i % 2 ? y : x)[i >> 1]);
    this.charts = [...this.charts.filter((one) => one.name !== chart.name), chart];
    this.placed.set(chart.name, places);
    this.lay(chart, places, new PlaneInverse(chart, this.entry.dim, await this.latticeOf(chart)));
  }

  private lay(site: ChartSite, places: Float32Array, inverse: PlaneInverse): void {
    const grid = new Grid(places);
    const laid = { site, places, grid, inverse, first: { places, grid } };
    this.refine(laid);
    this.wanted = site;
    this.chart = laid;
    this.table = this.first;
    this.tiling = site.tiles ? new Tiling(this.files, site, this.first) : null;
  }

  /** Fetch the finer points of a part of the map; what there is of them is shown. */
  async see(view: Box, scale: number): Promise<void> {
    await this.ready;
    const { tiling, chart } = this;
    const table = await tiling?.see(view, scale).catch(() => null); // without them the map is coarser
    if (!table || tiling !== this.tiling) return;
    const places = table.places(chart.site);
    this.chart = { ...chart, places, grid: new Grid(places) };
    this.table = table;
  }

  /** How many points of all, fetched or not, are in a part of the map and meet the conditions; null if all are fetched. */
  count(view: Box, conditions: readonly Condition[], mask: Uint8Array | null): Count | null {
    const { places, site } = this.chart;
    return this.tiling && countIn(view, conditions, mask, places, this.tiling.unfetched, site.box);
  }

  private refine({ first: { places, grid }, inverse }: Laid): void {
    if (!this.codes || inverse.fine) return;
    const x = places.filter((_, i) => i % 2 === 0);
    const y = places.filter((_, i) => i % 2 === 1);
    inverse.refine({ codes: this.codes.values, x, y, near: (px, py, k) => grid.nearestMany(px, py, k) });
  }

  // Places and codes

  /** The code under a place. */
  lift(x: number, y: number): Float32Array {
    return this.chart.inverse.inverse(x, y);
  }

  liftAll(places: Float32Array): Float32Array {
    return this.chart.inverse.inverseAll(places);
  }

  /** From 1 amid the data to 0 in a hole. */
  cover(x: number, y: number): number {
    return this.chart.inverse.cover(x, y);
  }

  placeOf(spot: Spot): [number, number] {
    if (spot.row !== null) return [this.chart.places[2 * spot.row], this.chart.places[2 * spot.row + 1]];
    return this.chart.inverse.forward(spot.z) ?? [NaN, NaN];
  }

  /** Places of codes, row by row. */
  async placesOf(z: Float32Array): Promise<Float32Array> {
    const { dim } = this.entry;
    const places = new Float32Array((z.length / dim) * 2);
    for (let i = 0; i * dim < z.length; i++) {
      const found = this.chart.inverse.forward(z.subarray(i * dim, (i + 1) * dim));
      if (found) places.set(found, 2 * i);
      if (i % 8 === 7) await new Promise((done) => setTimeout(done)); // the pointer goes first
    }
    return places;
  }

  /** The real image of a row, as a place. */
  spot(row: number): Spot {
    const z = this.codes && row < this.codes.count ? this.codes.row(row) : this.lift(this.chart.places[2 * row], this.chart.places[2 * row + 1]);
    return { z, row, name: "", about: imageName(this, row) };
  }

  /** Its exact code, from the server where the page has none. */
  async exact(row: number): Promise<Spot> {
    const spot = this.spot(row);
    const lasting = row < this.entry.count ? row : null; // those of tiles come and go
    if ((this.codes && lasting !== null) || !this.socket) return { ...spot, row: lasting };
    return { ...spot, row: lasting, z: await codeOf(this.socket, this.entry, this.table.rank(row)) };
  }

  /** The real image at full size, where the page has only a smaller one. */
  async real(row: number): Promise<Pictures | null> {
    const { sprites, image } = this.entry;
    const whole = sprites && row < this.entry.count && sprites.width >= image.width && sprites.height >= image.height;
    return whole || !sprites || !this.socket ? null : realImage(this.socket, this.entry, this.table.rank(row));
  }

  /** The image of a row as far as the page has it: its tile. */
  async tile(row: number): Promise<HTMLCanvasElement | null> {
    const { sprites } = this.entry;
    if (!sprites || row >= this.entry.count) return null;
    const tile = tileOf(sprites, row);
    const page = await (this.sheets[tile.page] ??= this.files.image(sprites.pages[tile.page]));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [tile.w, tile.h];
    canvas.getContext("2d")!.drawImage(page, tile.x, tile.y, tile.w, tile.h, 0, 0, tile.w, tile.h);
    return canvas;
  }

  /** The row of the image with this number in the data set. */
  rowOf(index: number): number | undefined {
    this.rows ??= new Map(Array.from(this.first.index, (number, row) => [number, row]));
    return this.rows.get(index);
  }

  meanOf(rows: ArrayLike<number>): Float32Array {
    if (!this.codes || !rows.length) return this.typical;
    return mean(this.codes.values, this.codes.dim, rows);
  }

  get typical(): Float32Array {
    return Float32Array.from(this.entry.middle);
  }

  // Pictures

  /** null: a newer ask of the same stream came first. */
  async decode(z: Float32Array, n: number, stream?: string, label = this.told): Promise<Pictures | null> {
    const decoder = this.decoder ?? (await this.decoding);
    const labels = this.entry.told.length ? Array<number>(n).fill(label) : undefined;
    return decoder.decode(z.slice(0, n * this.entry.dim), n, { labels, stream });
  }

  /** What the model is told of a place: the class of a real image, elsewhere the one that is chosen. */
  labelOf(spot: Spot): number {
    const known = this.entry.columns.find((column) => column.name === "label");
    if (spot.row === null || !known || !this.entry.told.length) return this.told;
    const found = this.entry.told.indexOf(known.values?.[this.table.classOf("label")[spot.row]] ?? "");
    return found < 0 ? this.told : found;
  }

  /** The code of a picture of the model's size. */
  async encode(pictures: Pictures): Promise<Float32Array> {
    this.encoder ??= chooseEncoder(this.files, this.entry, this.socket);
    const labels = this.entry.told.length ? [this.told] : undefined;
    return (await this.encoder).encode(pictures, labels);
  }

  /** Whether there are images of places; of codes that were brought alone there are none. */
  get decodes(): boolean {
    return this.entry.image.channels > 0;
  }

  get encodes(): boolean {
    return this.entry.encoder !== null || (this.socket !== null && this.entry.sprites !== null);
  }

  // Samples

  private async readPrior(): Promise<void> {
    const { fitted } = this.entry;
    if (fitted) this.prior = openPrior(await this.files.bytes(fitted.url));
  }

  /** Points drawn by chance: from the fitted prior where there is one, unless the model's own is wanted. */
  sample(n: number, seed: number): Float32Array {
    if (this.prior && !this.fromOwn) return this.prior.sample(n, uniform(seed));
    return draw(this.entry, n, { seed, codes: this.codes?.values });
  }

  // Neighbours

  /** The nearest real images, and how far the data is; null if a newer ask came first. */
  async near(z: Float32Array, stream?: string): Promise<{ rows: number[]; far: number } | null> {
    const { density } = this.entry;
    const k = Math.max(SHOWN, density?.neighbours ?? 0);
    if (this.seeker) {
      const found = await this.seeker.nearest(z, k, stream);
      if (!found) return null;
      return { rows: Array.from(found.rows.subarray(0, SHOWN)), far: density ? far(found, density)[0] : NaN };
    }
    if (this.socket && !this.entry.codes) {
      const found = await nearestCodes(this.socket, this.entry, z, k, stream);
      if (!found) return null;
      return { rows: Array.from(found.rows.subarray(0, SHOWN)), far: density ? far(found, density)[0] : NaN };
    }
    return { rows: [], far: NaN };
  }

  async farOf(z: Float32Array): Promise<number[]> {
    const { density } = this.entry;
    if (!this.seeker || !density) return [];
    const found = await this.seeker.nearest(z, density.neighbours);
    return found ? far(found, density) : [];
  }

  /** Points of the way from one place to another that changes the picture least: the server's, or made beforehand. */
  async geodesic(a: Spot, b: Spot): Promise<Float32Array> {
    const known = this.entry.geodesics.find(({ from, to }) => (from === a.row && to === b.row) || (from === b.row && to === a.row));
    if (known) {
      const rows = fromHalf(await this.files.bytes(known.url));
      return known.from === a.row ? rows : backwards(rows, this.entry.dim);
    }
    if (this.socket) return geodesic(this.socket, this.entry, a.z, b.z, this.entry.told.length ? this.told : undefined);
    throw new Error(`Other shortest ways take a server: zatlas explore ${shellWord(this.entry.name)}`);
  }

  // Directions

  private async readWays(): Promise<void> {
    const { ways, dim, axes, middle, deviation } = this.entry;
    const read = async (url: string) => new Float32Array(await this.files.bytes(url));
    const [vectors, normals, weights] = await Promise.all([ways.vectors, ways.normals, ways.weights].map(read));
    this.normals = normals;
    this.probes = { names: ways.probes.map((one) => one.name), weights, offsets: ways.probes.map((one) => one.offset) };
    const leads = await Promise.all(ways.list.map(async ({ bends }) => bends && readField(bends, await read(bends.url))));
    const named = ways.list.map((site, i): Knob => {
      const vector = vectors.subarray(i * dim, (i + 1) * dim);
      return { name: site.name, title: site.title, kind: site.kind, vector, spread: site.spread, lead: leads[i], site };
    });
    const own = axes.map(({ index }): Knob => {
      const vector = new Float32Array(middle.length);
      vector[index] = 1;
      const title = `axis ${index}`;
      const name = named.some((knob) => knob.name === title) ? `the ${title}` : title; // a class may be called so
      return { name, title, kind: "axis", vector, spread: deviation[index] || 1, site: null };
    });
    this.knobs = [...named, ...own];
  }

  /** What the probes say of a code, the surest yes first. */
  reading(z: Float32Array, most = 5): [string, number][] {
    if (!this.probes?.names.length) return [];
    const found = read(this.probes, z);
    const numbers = new Set(this.entry.columns.filter(({ kind }) => kind === "number").map(({ name }) => name));
    const named = this.probes.names.flatMap((name, i): [string, number][] => (numbers.has(name) ? [] : [[name, found[i]]]));
    return named.sort((a, b) => b[1] - a[1]).slice(0, most);
  }

  /** What the run's scorer reads of the first of some pictures, the surest yes first; null where there is none. */
  async score(pictures: Pictures): Promise<[string, number][] | null> {
    const { scorer } = this.entry;
    if (!scorer) return null;
    this.scorer ??= pageScorer(this.files, this.entry, scorer);
    const found = await this.scorer.then((read) => read(pictures)).catch(() => null); // then codes have to do
    if (!found) return null;
    const named = scorer.names.flatMap((name, i): [string, number][] => (scorer.kinds[i] === "number" ? [] : [[name, found[i]]]));
    return named.sort((a, b) => b[1] - a[1]);
  }

  /** The normal of an attribute's plane: to be at right angles to it is to leave the attribute alone. */
  normalOf(name: string): Float32Array | null {
    const i = this.probes?.names.indexOf(name) ?? -1;
    return i < 0 || !this.normals ? null : this.normals.subarray(i * this.entry.dim, (i + 1) * this.entry.dim);
  }

  /** Standard deviation of the codes along a unit vector. */
  spread = (vector: Float32Array): number =>
    this.codes ? spreadOf(vector, this.codes.values) : spreadBy(vector, this.entry.deviation);
}

function backwards(rows: Float32Array, dim: number): Float32Array {
  const count = rows.length / dim;
  const found = new Float32Array(rows.length);
  for (let i = 0; i < count; i++) found.set(rows.subarray((count - 1 - i) * dim, (count - i) * dim), i * dim);
  return found;
}
