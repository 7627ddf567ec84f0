/** Size and opacity of points for any number of points. */

import type { Box } from "./camera";

export interface Ink {
  diameter: number; // CSS pixels
  alpha: number;
}

const LEAST = 1.2;
const MOST = 13;

/**
 * The diameter grows with the square root of the mean spacing, and overlapping points get more transparent. `area` is
 * in CSS pixels.
 */
export function inkOf(count: number, area: number): Ink {
  const spacing = Math.sqrt(area / Math.max(count, 1));
  const diameter = Math.min(MOST, Math.max(LEAST, 2 * Math.sqrt(spacing)));
  const covered = (Math.PI / 4) * (diameter / spacing) ** 2;
  return { diameter, alpha: Math.min(0.9, Math.max(0.1, 1.2 * covered ** -0.8)) };
}

const CELLS = 32;
const SAMPLE = 50_000;

/** The area that the points fill, from the participation ratio of their histogram. */
export function filledArea(positions: Float32Array, [left, bottom, right, top]: Box): number {
  const counts = new Float64Array(CELLS * CELLS);
  const stride = 2 * Math.max(1, Math.floor(positions.length / 2 / SAMPLE));
  let all = 0;
  for (let i = 0; i < positions.length; i += stride) {
    const x = Math.floor(((positions[i] - left) / (right - left)) * CELLS);
    const y = Math.floor(((positions[i + 1] - bottom) / (top - bottom)) * CELLS);
    const cell = Math.min(y, CELLS - 1) * CELLS + Math.min(x, CELLS - 1);
    if (!(cell >= 0)) continue; // a NaN position
    counts[cell]++;
    all++;
  }
  const squares = counts.reduce((sum, count) => sum + count * count, 0);
  return (right - left) * (top - bottom) * (squares ? (all * all) / squares / counts.length : 1);
}
