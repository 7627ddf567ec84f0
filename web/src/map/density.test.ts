import { describe, expect, it } from "vitest";

import { boxOf } from "./camera";
import { contoursOf } from "./density";
import { clusters } from "../../test/points";
import { classCenters, placeLabels } from "./labels";
import { holds } from "./lasso";

const { positions, values } = clusters(6000, 4, 11);
const box = boxOf(positions);

/** The part of the points inside an odd number of lines. */
function part(lines: Float32Array[], mask?: Uint8Array): number {
  let [inside, all] = [0, 0];
  for (let row = 0; row < positions.length / 2; row++) {
    if (mask && !mask[row]) continue;
    all++;
    inside += lines.filter((line) => holds(line, positions[2 * row], positions[2 * row + 1])).length % 2;
  }
  return inside / all;
}

describe("contours", () => {
  it("contain about their share of the points", () => {
    const contours = contoursOf(positions, box);
    expect(contours.map(({ share }) => share)).toEqual([0.95, 0.8, 0.6, 0.4, 0.2]);
    for (const { share, lines } of contours) {
      expect(lines.length).toBeGreaterThan(0);
      expect(Math.abs(part(lines) - share)).toBeLessThan(0.08);
    }
  });

  it("use the points in the mask, and are empty without points", () => {
    const mask = Uint8Array.from(values, (value) => (value === 2 ? 1 : 0));
    const [outer] = contoursOf(positions, box, mask);
    expect(part(outer.lines, mask)).toBeGreaterThan(0.85);
    expect(contoursOf(positions, box, new Uint8Array(6000)).every(({ lines }) => lines.length === 0)).toBe(true);
    expect(contoursOf(Float32Array.of(1, 1), [1, 1, 1, 1])[0].lines.length).toBe(1);
  });
});

describe("labels", () => {
  it("are placed where their class is densest", () => {
    const centers = classCenters(positions, values, 5, box);
    expect(centers.map(({ value }) => value)).toEqual([0, 1, 2, 3]);
    for (const { value, x, y } of centers) {
      const near = Array.from(values.keys()).filter(
        (row) => Math.hypot(positions[2 * row] - x, positions[2 * row + 1] - y) < 0.5,
      );
      expect(near.length).toBeGreaterThan(0);
      expect(near.filter((row) => values[row] === value).length / near.length).toBeGreaterThan(0.3);
    }
  });

  it("never overlap or leave the bounds, and the heaviest stays in position", () => {
    const labels = Array.from({ length: 30 }, (_, i) => ({
      text: `${i}`,
      x: 100 + (i % 6) * 12,
      y: 90 + i,
      weight: i,
      width: 40,
      height: 14,
    }));
    const placed = placeLabels(labels, { width: 300, height: 200 });
    expect(placed[0]).toMatchObject({ text: "29", x: 160, y: 119 });
    expect(placed.length).toBeGreaterThan(5);
    for (const a of placed) {
      expect(a.x >= 20 && a.x <= 280 && a.y >= 7 && a.y <= 193).toBe(true);
      for (const b of placed) if (a !== b) expect(Math.abs(a.x - b.x) >= 40 || Math.abs(a.y - b.y) >= 14).toBe(true);
    }
  });

  it("are dropped if their position is off the map", () => {
    expect(
      placeLabels([{ text: "away", x: -5, y: 9, weight: 1, width: 4, height: 4 }], { width: 99, height: 99 }),
    ).toEqual([]);
  });
});
