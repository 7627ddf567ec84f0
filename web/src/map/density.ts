/** Density contours of the points, in chart coordinates. */

import type { View } from "../types";
import type { Box } from "./camera";

/** The boundary of the densest region that contains a share of the points, as closed lines. */
export interface Contour {
  share: number; // 0 to 1: the outermost the largest
  lines: Float32Array[]; // each x, y, x, y ... of a closed line
}

const SHARES = [0.95, 0.8, 0.6, 0.4, 0.2];
const CELLS = 128; // along the longer side

/** A smoothed histogram of points on a grid. */
export interface DensityGrid {
  values: Float32Array;
  counts: Float32Array; // before smoothing
  across: number;
  down: number; // rows of cells, from the bottom up
  left: number;
  bottom: number;
  step: number; // side of a cell
}

/** Outlines of the densest regions, the outermost first. */
export function contoursOf(
  positions: Float32Array,
  box: Box,
  mask: Uint8Array | null = null,
  shares: readonly number[] = SHARES,
): Contour[] {
  const grid = densityOf(positions, box, mask);
  const levels = levelsOf(grid, shares);
  return shares.map((share, i) => ({ share, lines: levels[i] > 0 ? outlines(grid, levels[i]) : [] }));
}

/** Count points in cells and blur; the margin is empty, so that contours close. */
export function densityOf(
  positions: Float32Array,
  box: Box,
  mask: Uint8Array | null = null,
  cells = CELLS,
): DensityGrid {
  const [left, bottom, right, top] = box;
  const step = Math.max(right - left, top - bottom, 1e-9) / cells;
  const rim = 2 + 3 * radiusOf(cells);
  const across = Math.ceil((right - left) / step) + 2 * rim;
  const down = Math.ceil((top - bottom) / step) + 2 * rim;
  const counts = new Float32Array(across * down);
  for (let row = 0; row < positions.length / 2; row++) {
    if (mask && !mask[row]) continue;
    const i = Math.floor((positions[2 * row] - left) / step) + rim;
    const j = Math.floor((positions[2 * row + 1] - bottom) / step) + rim;
    if (i >= rim - 1 && i <= across - rim && j >= rim - 1 && j <= down - rim) counts[j * across + i]++;
  }
  const values = counts.slice();
  blur(values, across, down, radiusOf(cells));
  return { values, counts, across, down, left: left - rim * step, bottom: bottom - rim * step, step };
}

function radiusOf(cells: number): number {
  return Math.max(1, Math.round(cells / 64));
}

/** Three moving averages in each direction, which approximate a Gaussian blur. */
function blur(values: Float32Array, across: number, down: number, radius: number): void {
  const line = new Float32Array(Math.max(across, down));
  for (let round = 0; round < 3; round++) {
    for (let j = 0; j < down; j++) smooth(values, j * across, 1, across, radius, line);
    for (let i = 0; i < across; i++) smooth(values, i, across, down, radius, line);
  }
}

function smooth(
  values: Float32Array,
  from: number,
  stride: number,
  size: number,
  radius: number,
  line: Float32Array,
): void {
  for (let i = 0; i < size; i++) line[i] = values[from + i * stride];
  let sum = 0;
  for (let i = 0; i < radius; i++) sum += line[i];
  for (let i = 0; i < size; i++) {
    if (i + radius < size) sum += line[i + radius];
    if (i - radius > 0) sum -= line[i - radius - 1];
    values[from + i * stride] = Math.max(0, sum / (2 * radius + 1));
  }
}

/** The density levels that enclose the given shares of the points. */
function levelsOf({ values, counts }: DensityGrid, shares: readonly number[]): number[] {
  const cells = [...counts.keys()].filter((cell) => counts[cell] > 0).sort((a, b) => values[b] - values[a]);
  const total = cells.reduce((sum, cell) => sum + counts[cell], 0);
  const levels = shares.map(() => 0);
  let sum = 0;
  for (const cell of cells) {
    for (let i = 0; i < shares.length; i++) if (sum < shares[i] * total) levels[i] = values[cell] * 0.999; // so that the cell itself is inside
    sum += counts[cell];
  }
  return levels;
}

/** Marching squares: line segments that separate high from low cells, joined to closed lines. */
function outlines(grid: DensityGrid, level: number): Float32Array[] {
  const next = new Map<number, number>(); // from the edge where a piece begins to the edge where it ends
  const { values, across, down } = grid;
  for (let j = 0; j + 1 < down; j++) {
    for (let i = 0; i + 1 < across; i++) {
      const at = j * across + i;
      const kind =
        (values[at] > level ? 1 : 0) +
        (values[at + 1] > level ? 2 : 0) +
        (values[at + across + 1] > level ? 4 : 0) +
        (values[at + across] > level ? 8 : 0);
      if (kind === 0 || kind === 15) continue;
      const mean = (values[at] + values[at + 1] + values[at + across] + values[at + across + 1]) / 4;
      for (const [from, to] of piecesOf(kind, mean > level)) next.set(edgeOf(at, from, across), edgeOf(at, to, across));
    }
  }
  const lines: Float32Array[] = [];
  for (const first of next.keys()) if (next.has(first)) lines.push(follow(next, first, grid, level));
  return lines;
}

// Edges of a square: 0 below, 1 right, 2 above, 3 left. The high side is on the left of each piece.
const PIECES: Record<number, [number, number][]> = {
  1: [[0, 3]],
  2: [[1, 0]],
  3: [[1, 3]],
  4: [[2, 1]],
  6: [[2, 0]],
  7: [[2, 3]],
  8: [[3, 2]],
  9: [[0, 2]],
  11: [[1, 2]],
  12: [[3, 1]],
  13: [[0, 1]],
  14: [[3, 0]],
};

/** The segments of a square; if two opposite corners are high, the mean decides whether they are joined. */
function piecesOf(kind: number, joined: boolean): [number, number][] {
  if (kind === 5) return [...PIECES[joined ? 13 : 1], ...PIECES[joined ? 7 : 4]];
  if (kind === 10) return [...PIECES[joined ? 14 : 2], ...PIECES[joined ? 11 : 8]];
  return PIECES[kind];
}

/** A unique number for each edge: twice its lower left corner, plus one if it is vertical. */
function edgeOf(at: number, edge: number, across: number): number {
  if (edge === 0) return 2 * at;
  if (edge === 1) return 2 * (at + 1) + 1;
  return edge === 2 ? 2 * (at + across) : 2 * at + 1;
}

function follow(next: Map<number, number>, first: number, grid: DensityGrid, level: number): Float32Array {
  const { values, across, left, bottom, step } = grid;
  const line: number[] = [];
  for (let edge: number | undefined = first; edge !== undefined;) {
    const a = edge >> 1;
    const up = edge & 1;
    const b = up ? a + across : a + 1;
    const part = (level - values[a]) / (values[b] - values[a]);
    const [i, j] = [a % across, Math.floor(a / across)];
    line.push(left + (i + 0.5 + (up ? 0 : part)) * step, bottom + (j + 0.5 + (up ? part : 0)) * step);
    const after: number | undefined = next.get(edge);
    next.delete(edge);
    edge = after;
  }
  return Float32Array.from(line.slice(0, -2)); // the last is the first again
}

/** Draws contours as pale areas with hairlines; the context's unit is a CSS pixel. */
export function drawContours(
  context: CanvasRenderingContext2D,
  contours: readonly Contour[],
  view: View,
  size: { width: number; height: number },
  look: { colour: string; fill: number; line: number }, // opacities
): void {
  context.save();
  context.lineWidth = 0.75;
  context.lineJoin = "round";
  context.strokeStyle = context.fillStyle = look.colour;
  const [dx, dy] = [size.width / 2 - view.x * view.scale, size.height / 2 + view.y * view.scale];
  for (const { lines } of contours) {
    context.beginPath();
    for (const line of lines) {
      context.moveTo(dx + line[0] * view.scale, dy - line[1] * view.scale);
      for (let i = 2; i < line.length; i += 2) context.lineTo(dx + line[i] * view.scale, dy - line[i + 1] * view.scale);
      context.closePath();
    }
    context.globalAlpha = look.fill;
    if (look.fill > 0) context.fill("evenodd");
    context.globalAlpha = look.line;
    if (look.line > 0) context.stroke();
  }
  context.restore();
}
