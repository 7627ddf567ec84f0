/** Images of a slow decoder in two steps: a preview of fewer pixels at once, the complete image at rest. */

import type { Decoder, Images } from "../types";

const SLOW = 30; // milliseconds for one complete image from which on a preview comes first
const REST = 140; // milliseconds without a new request until the complete image is decoded
const WEIGHT = 0.3; // of the newest duration in the mean

type Options = Parameters<Decoder["decode"]>[2];

/** How long a decoder takes for one image, and whether it has previews. */
export class Speed {
  private milliseconds = Infinity; // not measured yet
  private previews = false;

  /** Whether a preview should come before the complete image. */
  get coarseFirst(): boolean {
    return this.previews && this.milliseconds > SLOW;
  }

  async decode(decoder: Decoder, z: Float32Array, n: number, options: Options, coarse: boolean): Promise<Images | null> {
    this.previews = decoder.coarse !== undefined;
    if (coarse && decoder.coarse) return decoder.coarse(z, n, options);
    const started = performance.now();
    const result = await decoder.decode(z, n, options);
    if (result && n === 1) this.measure(performance.now() - started);
    return result;
  }

  measure(milliseconds: number): void {
    const before = Number.isFinite(this.milliseconds) ? this.milliseconds : milliseconds;
    this.milliseconds = before + WEIGHT * (milliseconds - before);
  }
}

/** Two steps for each of several streams; a newer request of a stream ends the steps of an older one. */
export class Refinement<T> {
  private readonly newest = new Map<string, number>();

  /** Look once or, with a preview first, twice. `use` gets each result; resolves after the first one. */
  async look(stream: string, coarseFirst: boolean, look: (coarse: boolean) => Promise<T | null>, use: (result: T) => void): Promise<void> {
    const ticket = (this.newest.get(stream) ?? 0) + 1;
    this.newest.set(stream, ticket);
    const current = () => this.newest.get(stream) === ticket;
    const first = await look(coarseFirst);
    if (!first || !current()) return;
    use(first);
    if (coarseFirst) void this.refine(current, look, use);
  }

  private async refine(current: () => boolean, look: (coarse: boolean) => Promise<T | null>, use: (result: T) => void): Promise<void> {
    await new Promise((done) => setTimeout(done, REST));
    if (!current()) return;
    const result = await look(false).catch(() => null); // the preview stays
    if (result && current()) use(result);
  }
}
