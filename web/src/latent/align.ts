/** Aligning one map with another: a rotation or reflection, a scale and a shift (Procrustes analysis). */

/** Positions moved as a whole so that they lie as close as possible to `target`, pair by pair; NaN is left out. */
export function aligned(positions: Float32Array, target: Float32Array): Float32Array {
  const pairs = Array.from({ length: positions.length / 2 }, (_, i) => 2 * i).filter((i) => Number.isFinite(positions[i]) && Number.isFinite(target[i]));
  if (!pairs.length) return positions.slice();
  const middle = (values: Float32Array, axis: number) => pairs.reduce((sum, i) => sum + values[i + axis], 0) / pairs.length;
  const [ax, ay, bx, by] = [middle(positions, 0), middle(positions, 1), middle(target, 0), middle(target, 1)];
  let [size, dot, cross, mirrorDot, mirrorCross] = [0, 0, 0, 0, 0];
  for (const i of pairs) {
    const [x, y, u, v] = [positions[i] - ax, positions[i + 1] - ay, target[i] - bx, target[i + 1] - by];
    size += x * x + y * y;
    dot += x * u + y * v;
    cross += x * v - y * u;
    mirrorDot += x * u - y * v;
    mirrorCross += x * v + y * u;
  }
  const mirrored = Math.hypot(mirrorDot, mirrorCross) > Math.hypot(dot, cross);
  const [c, s] = (mirrored ? [mirrorDot, mirrorCross] : [dot, cross]).map((value) => value / (size || 1)); // cosine and sine, with the scale
  const flip = mirrored ? -1 : 1;
  return positions.map((value, i) => {
    const [x, y] = i % 2 ? [positions[i - 1] - ax, (value - ay) * flip] : [value - ax, (positions[i + 1] - ay) * flip];
    return i % 2 ? by + s * x + c * y : bx + c * x - s * y;
  });
}
