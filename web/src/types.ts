/** Types that the parts of the page share. */

/** A source of files: the folder of the page, or the page itself. */
export interface Files {
  bytes(url: string): Promise<ArrayBuffer>;
  image(url: string): Promise<ImageBitmap>;
}

/** Images as RGBA pixels. */
export interface Images {
  count: number;
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>; // count * height * width * 4
}

/** Decodes latents, in the page or on the server. */
export interface Decoder {
  readonly where: "page" | "server";
  /** null: a newer request of the same stream replaced this one. */
  decode(z: Float32Array, n: number, options?: { labels?: number[]; stream?: string }): Promise<Images | null>;
  /** Quick previews of fewer pixels; missing if this decoder has none. */
  coarse?(z: Float32Array, n: number, options?: { labels?: number[]; stream?: string }): Promise<Images | null>;
  close(): void;
}

export interface Encoder {
  readonly where: "page" | "server";
  encode(images: Images, labels?: number[]): Promise<Float32Array>;
}

export interface View {
  x: number; // position at the center of the canvas
  y: number;
  scale: number; // CSS pixels per unit of the chart
}
