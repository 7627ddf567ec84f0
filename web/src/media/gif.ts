/** Images as an animated GIF that loops forever. */

import { applyPalette, GIFEncoder, type Palette, quantize } from "gifenc";
import type { Images } from "../types";
import type { Frames } from "./scene";
import { isGrey, pixels, repeated, wholeFactor } from "./enlarge";

const COLOURS = 256; // of a GIF frame
const GREYS: Palette = Array.from({ length: COLOURS }, (_, grey) => [grey, grey, grey]);

export interface GifOptions {
  rate: number; // images per second; the format has a resolution of 1/100 s
  least?: number; // pixels of the longer side; small images are enlarged
  onprogress?: (done: number) => void; // called with the completed share
}

const SAMPLED = 5; // frames of a scene that its palette is made of

/** Encode a GIF of drawn frames with one palette; yields to the page after each frame. */
export async function sceneGif(frames: Frames, { rate, onprogress }: GifOptions): Promise<Blob> {
  const { count, width, height } = frames;
  const sampled = Array.from({ length: SAMPLED }, (_, i) => frames.frame(Math.round((i * (count - 1)) / (SAMPLED - 1))));
  const palette = quantize(everyFourth(sampled), COLOURS);
  const encoder = GIFEncoder();
  for (let i = 0; i < count; i++) {
    const index = applyPalette(frames.frame(i), palette);
    encoder.writeFrame(index, width, height, { palette: i ? undefined : palette, delay: 1000 / rate, repeat: 0 });
    onprogress?.((i + 1) / count);
    await new Promise((resume) => setTimeout(resume));
  }
  encoder.finish();
  return new Blob([encoder.bytes()], { type: "image/gif" });
}

/** Every fourth pixel of some frames. */
function everyFourth(frames: Uint8ClampedArray[]): Uint8ClampedArray {
  const size = Math.floor(frames[0].length / 16);
  const result = new Uint32Array(size * frames.length);
  frames.forEach((frame, i) => {
    const pixels = new Uint32Array(frame.buffer);
    for (let j = 0; j < size; j++) result[i * size + j] = pixels[4 * j];
  });
  return new Uint8ClampedArray(result.buffer);
}

/** Encode a GIF; yields to the page regularly. */
export async function gif(images: Images, options: GifOptions): Promise<Blob> {
  const { rate, least = 256, onprogress } = options;
  const factor = wholeFactor(images, least);
  const encoder = GIFEncoder();
  const grey = isGrey(images);
  for (let i = 0; i < images.count; i++) {
    const { index, palette } = grey ? asGrey(pixels(images, i)) : asColour(pixels(images, i));
    encoder.writeFrame(
      repeated(index, images.width, factor),
      images.width * factor,
      images.height * factor,
      // The grey palette is written with the first frame only.
      { palette: grey && i ? undefined : palette, delay: 1000 / rate, repeat: 0 },
    );
    onprogress?.((i + 1) / images.count);
    if (i % 8 === 7) await new Promise((resume) => setTimeout(resume));
  }
  encoder.finish();
  return new Blob([encoder.bytes()], { type: "image/gif" });
}

interface Indexed {
  index: Uint8Array;
  palette: Palette;
}

function asGrey(rgba: Uint8ClampedArray): Indexed {
  return { index: Uint8Array.from({ length: rgba.length / 4 }, (_, i) => rgba[4 * i]), palette: GREYS };
}

/** The exact colours if there are few, otherwise a quantized palette. */
function asColour(rgba: Uint8ClampedArray): Indexed {
  const own = rgba.slice(); // the encoder reads the whole buffer
  const exact = fewColours(own);
  if (exact) return exact;
  const palette = quantize(own, COLOURS);
  return { index: applyPalette(own, palette), palette };
}

function fewColours(rgba: Uint8ClampedArray): Indexed | null {
  const result = new Map<number, number>();
  const index = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < index.length; i++) {
    const colour = (rgba[4 * i] << 16) | (rgba[4 * i + 1] << 8) | rgba[4 * i + 2];
    let position = result.get(colour);
    if (position === undefined) {
      if (result.size === COLOURS) return null;
      result.set(colour, (position = result.size));
    }
    index[i] = position;
  }
  const palette: Palette = [...result.keys()].map((c) => [c >> 16, (c >> 8) & 255, c & 255]);
  return { index, palette };
}
