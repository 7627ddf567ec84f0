import { describe, expect, it } from "vitest";

import { between, boxOf, fit, limited, limitsOf, panBy, visibleBox, toPixel, toPosition, zoomAt } from "./camera";
import type { View } from "../types";

const view = { x: 3, y: -2, scale: 40 };
const [width, height] = [800, 500];

describe("a view", () => {
  it("maps pixels to positions and back, with y pointing up", () => {
    const [x, y] = toPosition(view, width, height, 120, 77);
    const [px, py] = toPixel(view, width, height, x, y);
    expect(px).toBeCloseTo(120, 9);
    expect(py).toBeCloseTo(77, 9);
    expect(toPosition(view, width, height, 0, 0)[1]).toBeGreaterThan(toPosition(view, width, height, 0, height)[1]);
  });

  it("zooms about the pointer, and stays within its limits", () => {
    const before = toPosition(view, width, height, 650, 90);
    const zoomed = zoomAt(view, 3.3, 650, 90, width, height);
    const after = toPosition(zoomed, width, height, 650, 90);
    expect(after[0]).toBeCloseTo(before[0], 9);
    expect(after[1]).toBeCloseTo(before[1], 9);
    const limits = limitsOf([0, -5, 10, 5], width, height);
    expect(zoomAt(view, 1e9, 1, 1, width, height, limits).scale).toBe(limits.maxScale);
    expect(zoomAt(view, 1e-9, 1, 1, width, height, limits).scale).toBe(limits.minScale);
  });

  it("follows a drag and stays on the chart", () => {
    const moved = panBy(view, 30, -12);
    const [px, py] = toPixel(moved, width, height, ...toPosition(view, width, height, 100, 100));
    expect([px, py].map(Math.round)).toEqual([130, 88]);
    const limits = limitsOf([0, -5, 10, 5], width, height);
    expect(panBy(view, -1e6, 1e6, limits)).toMatchObject({ x: 10, y: 5 });
    expect(limited({ x: -99, y: 0, scale: 1e-9 }, limits)).toEqual({ x: 0, y: 0, scale: limits.minScale });
  });

  it("fits a box into the screen with a margin", () => {
    const box = [-2, 1, 8, 3] as const;
    const fitted = fit(box, width, height, 20);
    const [left, bottom, right, top] = visibleBox(fitted, width, height, -20);
    expect(left).toBeCloseTo(-2, 9);
    expect(right).toBeCloseTo(8, 9);
    expect(bottom).toBeLessThan(1);
    expect(top).toBeGreaterThan(3);
    expect(Number.isFinite(fit([1, 1, 1, 1], width, height).scale)).toBe(true);
  });

  it("flies smoothly to another view, zooming out on a long path", () => {
    const far = { x: 400, y: 100, scale: 90 };
    expect(between(view, far, 0)).toEqual(view);
    expect(between(view, far, 1)).toEqual(far);
    const steps = Array.from({ length: 101 }, (_, i) => between(view, far, i / 100));
    for (let i = 1; i < steps.length; i++) expect(change(steps[i - 1], steps[i])).toBeLessThan(0.15);
    expect(Math.min(...steps.map((step) => step.scale))).toBeLessThan(view.scale / 3);
    expect(between(view, { ...view, scale: 160 }, 0.5).scale).toBeCloseTo(80, 6);
  });
});

/** Perceived difference of two views: about 1 for a screen width or a zoom of 4. */
function change(a: View, b: View): number {
  const shift = Math.hypot(b.x - a.x, b.y - a.y) * Math.min(a.scale, b.scale);
  return shift / 1000 + Math.abs(Math.log(b.scale / a.scale)) / Math.log(4);
}

it("a box contains all finite positions", () => {
  expect(boxOf(Float32Array.of(1, 2, NaN, 9, -3, 4))).toEqual([-3, 2, 1, 9]);
  expect(boxOf(new Float32Array(0))).toEqual([-1, -1, 1, 1]);
});
