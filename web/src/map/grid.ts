/** Points sorted into cells for fast neighbor queries. */

import type { Box } from "./camera";

export interface Near {
  rows: Int32Array; // the nearest first; ties by row
  distances: Float32Array;
}

/**
 * Rows by cell (compressed sparse rows), in row order within a cell. The cells cover nearly all points; border cells
 * also hold points beyond the border, so that outliers do not make the cells coarse.
 */
export class Grid {
  readonly positions: Float32Array;
  readonly count: number; // points in the grid
  readonly side: number; // cells across, and down
  readonly left: number;
  readonly bottom: number;
  readonly cellWidth: number; // of a cell
  readonly cellHeight: number;
  readonly starts: Int32Array; // (side * side + 1)
  readonly rows: Int32Array;

  /** Index all points, or those in the mask; NaN positions are ignored. */
  constructor(positions: Float32Array, mask: Uint8Array | null = null) {
    this.positions = positions;
    const included = finiteRows(positions, mask);
    this.count = included.length;
    this.side = Math.min(256, Math.max(1, Math.ceil(Math.sqrt(included.length / 4))));
    const [left, bottom, right, top] = robustBox(positions, included);
    this.left = left;
    this.bottom = bottom;
    this.cellWidth = (right - left) / this.side;
    this.cellHeight = (top - bottom) / this.side;
    this.starts = new Int32Array(this.side * this.side + 1);
    this.rows = this.sorted(included);
  }

  private sorted(included: Int32Array): Int32Array {
    const { positions, starts } = this;
    const cells = new Uint16Array(included.length);
    for (let i = 0; i < included.length; i++) {
      const row = included[i];
      const cell = this.lineOf(positions[2 * row + 1]) * this.side + this.columnOf(positions[2 * row]);
      cells[i] = cell;
      starts[cell + 1]++;
    }
    for (let cell = 0; cell + 1 < starts.length; cell++) starts[cell + 1] += starts[cell];
    const next = starts.slice();
    const rows = new Int32Array(included.length);
    for (let i = 0; i < included.length; i++) rows[next[cells[i]]++] = included[i];
    return rows;
  }

  /** The column of cells that holds x. */
  columnOf(x: number): number {
    return Math.max(0, Math.min(this.side - 1, Math.floor((x - this.left) / this.cellWidth)));
  }

  /** The row of cells that holds y. */
  lineOf(y: number): number {
    return Math.max(0, Math.min(this.side - 1, Math.floor((y - this.bottom) / this.cellHeight)));
  }

  /** The row of the point nearest to a position, at most `radius` away; -1 if there is none. */
  nearest(x: number, y: number, radius: number): number {
    const { positions } = this;
    let best = -1;
    let least = radius * radius;
    this.grow(x, y, least, (row) => {
      const distance = (positions[2 * row] - x) ** 2 + (positions[2 * row + 1] - y) ** 2;
      const nearer = distance < least || (distance === least && (best < 0 || row < best));
      if (nearer) {
        best = row;
        least = distance;
      }
      return least;
    });
    return best;
  }

  /** The k points nearest to a position, exactly; fewer if there are fewer. */
  nearestMany(x: number, y: number, k: number): Near {
    const { positions } = this;
    const rows = new Int32Array(k);
    const squares = new Float64Array(k).fill(Infinity);
    let size = 0;
    this.grow(x, y, Infinity, (row) => {
      const square = (positions[2 * row] - x) ** 2 + (positions[2 * row + 1] - y) ** 2;
      if (square > squares[k - 1]) return squares[k - 1];
      let at = Math.min(size, k - 1);
      if (size === k && square === squares[at] && row > rows[at]) return squares[k - 1];
      while (at > 0 && (squares[at - 1] > square || (squares[at - 1] === square && rows[at - 1] > row))) {
        squares[at] = squares[at - 1];
        rows[at] = rows[at - 1];
        at--;
      }
      squares[at] = square;
      rows[at] = row;
      size = Math.min(size + 1, k);
      return squares[k - 1];
    });
    return { rows: rows.slice(0, size), distances: Float32Array.from(squares.subarray(0, size), Math.sqrt) };
  }

  /** Visit points in growing rings of cells until no nearer point can follow; `visit` returns the squared bound. */
  private grow(x: number, y: number, square: number, visit: (row: number) => number): void {
    const { side, starts, rows } = this;
    const [column, line] = [this.columnOf(x), this.lineOf(y)];
    for (let ring = 0; ring < side; ring++) {
      for (let j = Math.max(0, line - ring); j <= Math.min(side - 1, line + ring); j++) {
        const edge = j === line - ring || j === line + ring;
        const step = edge || ring === 0 ? 1 : 2 * ring;
        for (let i = column - ring; i <= column + ring; i += step) {
          if (i < 0 || i >= side) continue;
          const cell = j * side + i;
          for (let at = starts[cell]; at < starts[cell + 1]; at++) square = visit(rows[at]);
        }
      }
      const safe = this.margin(x, y, column, line, ring);
      if (safe === Infinity || (safe > 0 && safe * safe > square)) return;
    }
  }

  /** The smallest possible distance of points outside the visited rings; infinite if there are none. */
  private margin(x: number, y: number, column: number, line: number, ring: number): number {
    const { side, left, bottom, cellWidth, cellHeight } = this;
    let safe = Infinity;
    if (column - ring > 0) safe = Math.min(safe, x - (left + (column - ring) * cellWidth));
    if (column + ring < side - 1) safe = Math.min(safe, left + (column + ring + 1) * cellWidth - x);
    if (line - ring > 0) safe = Math.min(safe, y - (bottom + (line - ring) * cellHeight));
    if (line + ring < side - 1) safe = Math.min(safe, bottom + (line + ring + 1) * cellHeight - y);
    return safe - 1e-9 * Math.max(cellWidth, cellHeight);
  }

  /** Rows of the points in a box. */
  within(box: Box): number[] {
    const { positions, starts, rows, side } = this;
    const [left, bottom, right, top] = box;
    const result: number[] = [];
    for (let j = this.lineOf(bottom); j <= this.lineOf(top); j++) {
      const end = starts[j * side + this.columnOf(right) + 1];
      for (let at = starts[j * side + this.columnOf(left)]; at < end; at++) {
        const [x, y] = [positions[2 * rows[at]], positions[2 * rows[at] + 1]];
        if (x >= left && x <= right && y >= bottom && y <= top) result.push(rows[at]);
      }
    }
    return result;
  }

  /** The median spacing of the eight nearest neighbors, over a sample of points. */
  spacing(): number {
    const samples = Math.min(this.count, 400);
    if (samples < 2) return Infinity;
    const k = Math.min(9, this.count);
    const spaces: number[] = [];
    for (let i = 0; i < samples; i++) {
      const row = this.rows[Math.floor(((i + 0.5) * this.count) / samples)];
      const { distances } = this.nearestMany(this.positions[2 * row], this.positions[2 * row + 1], k);
      spaces.push(distances[k - 1] * Math.sqrt(Math.PI / (k - 1)));
    }
    spaces.sort((a, b) => a - b);
    return spaces[spaces.length >> 1];
  }
}

function finiteRows(positions: Float32Array, mask: Uint8Array | null): Int32Array {
  const rows = new Int32Array(positions.length / 2);
  let size = 0;
  for (let row = 0; row < rows.length; row++) {
    if ((!mask || mask[row]) && Number.isFinite(positions[2 * row] + positions[2 * row + 1])) rows[size++] = row;
  }
  return rows.subarray(0, size);
}

const SAMPLE = 4096;
const OUTLIERS = 1 / 500;

/** A box around all points but outliers. */
function robustBox(positions: Float32Array, rows: Int32Array): Box {
  const size = Math.min(rows.length, SAMPLE);
  const ends = [0, 1].map((axis) => {
    const values = Float32Array.from(
      { length: size },
      (_, i) => positions[2 * rows[Math.floor((i * rows.length) / size)] + axis],
    ).sort();
    const low = values[Math.floor(size * OUTLIERS)] ?? 0;
    const high = values[size - 1 - Math.floor(size * OUTLIERS)] ?? 0;
    const margin = (high - low) / 50 || Math.max(1e-6, Math.abs(low) * 1e-6);
    return [low - margin, high + margin];
  });
  return [ends[0][0], ends[1][0], ends[0][1], ends[1][1]];
}
