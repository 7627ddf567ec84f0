/** Points for tests, the same on every run. */

/** Numbers from 0 to 1, determined by the seed (xorshift). */
export function random(seed: number): () => number {
  let state = seed * 2654435761 + 1 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Positions in round clusters of different width. */
export function clusters(
  count: number,
  kinds = 5,
  seed = 1,
): { positions: Float32Array; values: Uint8Array } {
  const next = random(seed);
  const centers = Array.from({ length: kinds }, () => [
    next() * 20 - 10,
    next() * 12 - 6,
    0.3 + next(),
  ]);
  const positions = new Float32Array(2 * count);
  const values = new Uint8Array(count);
  for (let row = 0; row < count; row++) {
    const kind = Math.floor(next() * kinds);
    const [x, y, wide] = centers[kind];
    const far = wide * Math.sqrt(-2 * Math.log(next() + 1e-12));
    const turn = 2 * Math.PI * next();
    positions.set([x + far * Math.cos(turn), y + far * Math.sin(turn)], 2 * row);
    values[row] = kind;
  }
  return { positions, values };
}
