/** Aligning one map with another: a rotation or reflection, a scale and a shift (Procrustes analysis). */

/** A motion of the plane, and its opposite. */
export interface Motion {
  to: (x: number, y: number) => [number, number];
  back: (x: number, y: number) => [number, number];
}

/** The motion that moves positions as close as possible to `target`, pair by pair; NaN is left out. */
export function alignment(positions: Float32Array, target: Float32Array): Motion {
  const pairs = Array.from({ length: positions.length / 2 }, (_, i) => 2 * i).filter((i) => Number.isFinite(positions[i]) && Number.isFinite(target[i]));
  if (!pairs.length) return { to: (x, y) => [x, y], back: (x, y) => [x, y] };
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
  const square = c * c + s * s || 1;
  return {
    to: (x, y) => {
      const [dx, dy] = [x - ax, (y - ay) * flip];
      return [bx + c * dx - s * dy, by + s * dx + c * dy];
    },
    back: (x, y) => {
      const [dx, dy] = [x - bx, y - by];
      return [ax + (c * dx + s * dy) / square, ay + (flip * (c * dy - s * dx)) / square];
    },
  };
}

/** All positions, moved. */
export function movedBy({ to }: Motion, positions: Float32Array): Float32Array {
  const result = new Float32Array(positions.length);
  for (let i = 0; i < positions.length; i += 2) result.set(to(positions[i], positions[i + 1]), i);
  return result;
}
