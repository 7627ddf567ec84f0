/** Pictures as an animated GIF that repeats for ever. */

import { applyPalette, GIFEncoder, type Palette, quantize } from "gifenc";
import type { Pictures } from "../contract";
import { isGrey, pixels, repeated, wholeFactor } from "./enlarge";

const COLOURS = 256; // that a GIF's picture can have
const GREYS: Palette = Array.from({ length: COLOURS }, (_, grey) => [grey, grey, grey]);

export interface GifOptions {
  rate: number; // pictures a second; the format counts in hundredths of a second
  least?: number; // pixels of the longer side; small images are enlarged
  told?: (done: number) => void; // share done
}

/** The page stays alive meanwhile: it gets a turn now and then. */
export async function gif(pictures: Pictures, options: GifOptions): Promise<Blob> {
  const { rate, least = 256, told } = options;
  const factor = wholeFactor(pictures, least);
  const encoder = GIFEncoder();
  const grey = isGrey(pictures);
  for (let i = 0; i < pictures.count; i++) {
    const { index, palette } = grey ? asGrey(pixels(pictures, i)) : asColour(pixels(pictures, i));
    encoder.writeFrame(
      repeated(index, pictures.width, factor),
      pictures.width * factor,
      pictures.height * factor,
      // Greys are the same for all, so that only the first says them.
      { palette: grey && i ? undefined : palette, delay: 1000 / rate, repeat: 0 },
    );
    told?.((i + 1) / pictures.count);
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

/** The colours themselves if they are few, else those nearest to them. */
function asColour(rgba: Uint8ClampedArray): Indexed {
  const own = rgba.slice(); // the encoder looks at the whole of a buffer
  const exact = fewColours(own);
  if (exact) return exact;
  const palette = quantize(own, COLOURS);
  return { index: applyPalette(own, palette), palette };
}

function fewColours(rgba: Uint8ClampedArray): Indexed | null {
  const found = new Map<number, number>();
  const index = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < index.length; i++) {
    const colour = (rgba[4 * i] << 16) | (rgba[4 * i + 1] << 8) | rgba[4 * i + 2];
    let place = found.get(colour);
    if (place === undefined) {
      if (found.size === COLOURS) return null;
      found.set(colour, (place = found.size));
    }
    index[i] = place;
  }
  const palette: Palette = [...found.keys()].map((c) => [c >> 16, (c >> 8) & 255, c & 255]);
  return { index, palette };
}
