/** How far what is known of points parts their places on a map. */

const MOST = 5000; // points that are looked at; they come in random order

/** The share of the places' spread that lies between the values of a column: 0 to 1. */
export function parted(values: ArrayLike<number>, places: Float32Array): number {
  const count = Math.min(values.length, places.length / 2, MOST);
  const groups = new Map<number, { n: number; x: number; y: number }>();
  const all = { n: 0, x: 0, y: 0, squares: 0 };
  for (let i = 0; i < count; i += 1) {
    const x = places[2 * i];
    const y = places[2 * i + 1];
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
  const middle = (all.x * all.x + all.y * all.y) / all.n;
  let between = -middle;
  for (const { n, x, y } of groups.values()) between += (x * x + y * y) / n;
  const spread = all.squares - middle;
  return spread > 0 ? Math.max(0, between / spread) : 0;
}
