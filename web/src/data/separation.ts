/** How well a column separates the points of a chart. */

const SAMPLED = 5000; // points that are used; rows are in random order

/** The share of the variance of the positions that lies between the groups of a column: 0 to 1. */
export function separation(values: ArrayLike<number>, positions: Float32Array): number {
  const count = Math.min(values.length, positions.length / 2, SAMPLED);
  const groups = new Map<number, { n: number; x: number; y: number }>();
  const all = { n: 0, x: 0, y: 0, squares: 0 };
  for (let i = 0; i < count; i += 1) {
    const x = positions[2 * i];
    const y = positions[2 * i + 1];
    let group = groups.get(values[i]);
    if (!group) groups.set(values[i], (group = { n: 0, x: 0, y: 0 }));
    for (const sum of [group, all]) {
      sum.n += 1;
      sum.x += x;
      sum.y += y;
    }
    all.squares += x * x + y * y;
  }
  if (!all.n) return 0;
  const squaredMean = (all.x * all.x + all.y * all.y) / all.n;
  let between = -squaredMean;
  for (const { n, x, y } of groups.values()) between += (x * x + y * y) / n;
  const total = all.squares - squaredMean;
  return total > 0 ? Math.max(0, between / total) : 0;
}
