import { expect, test } from "vitest";
import { Grid } from "./grid";
import { landmarks } from "./landmarks";

test("landmarks are in dense regions, the densest first, and apart", () => {
  const positions = new Float32Array(2 * 300);
  for (let row = 0; row < 300; row++) {
    const [center, size] = row < 120 ? [0, 0.1] : row < 220 ? [10, 0.1] : [5, 9]; // two clusters, and a sparse cloud
    positions[2 * row] = center + size * Math.sin(row * 12.9898);
    positions[2 * row + 1] = center + size * Math.sin(row * 78.233);
  }
  const [first, second] = landmarks(new Grid(positions), 2);
  expect(first).toBeLessThan(120);
  expect(second).toBeGreaterThanOrEqual(120);
  expect(second).toBeLessThan(220);
  expect(landmarks(new Grid(positions.subarray(0, 2)), 4)).toEqual([0]);
});
