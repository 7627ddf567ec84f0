/** Where a latent lies relative to the data, in words and as opacity. */

import { imageName } from "./anchor";

/** Where a latent lies relative to the data. Every verdict of the page is a function of this. */
export interface Place {
  distance: number; // relative distance from the data; NaN if unknown
  coverage: number; // data coverage at its position on the chart, from 0 to 1
}

/** Whether a position lies in a gap between the data. */
export const inGap = (coverage: number): boolean => coverage < 0.35;

/** Whether a latent is outside the data or in a gap. */
export const isOutside = ({ distance, coverage }: Place): boolean => inGap(coverage) || distance >= 2;

export function distanceText({ distance, coverage }: Place): string {
  if (inGap(coverage)) return "in a gap; the image is unreliable";
  if (!Number.isFinite(distance)) return "unknown for this model";
  if (distance < 1.3) return "inside";
  if (distance < 2) return "at the edge";
  if (distance < 3) return "outside";
  return "far outside; the image is unreliable";
}

/** Confidence in a decoded image: 1 inside the data, 0 in a gap. */
export function confidence({ distance, coverage }: Place): number {
  const inside = Number.isFinite(distance) ? Math.min(Math.max((3.2 - distance) / 1.4, 0), 1) : 1;
  return Math.min(inside, Math.min(coverage * 1.3, 1));
}

/** How opaque a decoded image is drawn. */
export const opacity = (place: Place): number => 0.18 + 0.82 * confidence(place);

/** A place of the map in one sentence, for screen readers. */
export function describe(here: Place & { anchor: { row: number | null; about: string }; nearest: number[]; run: Parameters<typeof imageName>[0] }): string {
  const { anchor, nearest, run } = here;
  const name = anchor.row === null ? "A point on the map" : anchor.about;
  const near = anchor.row === null && nearest.length ? `; nearest is ${imageName(run, nearest[0])}` : "";
  return `${name}, ${distanceText(here)}${near}`;
}
