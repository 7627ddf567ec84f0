/** The camera of the map: pure functions of a view. A chart's y points up, a screen's down. */

import type { View } from "../types";

export type Box = readonly [left: number, bottom: number, right: number, top: number];

/** Limits of a view: its scale, and a box for its center. */
export interface Limits {
  minScale: number;
  maxScale: number;
  box: Box;
}

export function toPosition(view: View, width: number, height: number, px: number, py: number): [number, number] {
  return [view.x + (px - width / 2) / view.scale, view.y - (py - height / 2) / view.scale];
}

export function toPixel(view: View, width: number, height: number, x: number, y: number): [number, number] {
  return [width / 2 + (x - view.x) * view.scale, height / 2 - (y - view.y) * view.scale];
}

/** The part of the chart that is on the screen. */
export function visibleBox(view: View, width: number, height: number, margin = 0): Box {
  const [left, top] = toPosition(view, width, height, -margin, -margin);
  const [right, bottom] = toPosition(view, width, height, width + margin, height + margin);
  return [left, bottom, right, top];
}

/** The view that shows the complete box. */
export function fit(box: Box, width: number, height: number, margin = 0): View {
  const [left, bottom, right, top] = box;
  const scaleX = Math.max(width - 2 * margin, 1) / Math.max(right - left, 1e-9);
  const scaleY = Math.max(height - 2 * margin, 1) / Math.max(top - bottom, 1e-9);
  const scale = Math.min(scaleX, scaleY);
  return { x: (left + right) / 2, y: (bottom + top) / 2, scale };
}

/**
 * From a quarter to 4000 times the fitted scale; float32 positions are still a pixel apart there. With the number of
 * points, the scale is limited so that several of them stay visible.
 */
export function limitsOf(box: Box, width: number, height: number, count = Infinity): Limits {
  const { scale } = fit(box, width, height);
  return { minScale: scale / 4, maxScale: scale * Math.min(4000, Math.max(10, Math.sqrt(count) / 2.5)), box };
}

/** The nearest view within the limits. */
export function limited(view: View, limits: Limits): View {
  const [left, bottom, right, top] = limits.box;
  return {
    x: clamp(view.x, left, right),
    y: clamp(view.y, bottom, top),
    scale: clamp(view.scale, limits.minScale, limits.maxScale),
  };
}

/** Zoom by a factor; the position under the pointer stays under it. */
export function zoomAt(
  view: View,
  factor: number,
  px: number,
  py: number,
  width: number,
  height: number,
  limits?: Limits,
): View {
  const wanted = view.scale * factor;
  const scale = limits ? clamp(wanted, limits.minScale, limits.maxScale) : wanted;
  const [x, y] = toPosition(view, width, height, px, py);
  const moved = { x: x - (px - width / 2) / scale, y: y + (py - height / 2) / scale, scale };
  return limits ? limited(moved, limits) : moved;
}

/** Move the view by pixels. */
export function panBy(view: View, dx: number, dy: number, limits?: Limits): View {
  const moved = { x: view.x - dx / view.scale, y: view.y + dy / view.scale, scale: view.scale };
  return limits ? limited(moved, limits) : moved;
}

const CURVATURE = Math.SQRT2;

/**
 * The view at a fraction t of a smooth flight: it zooms out, moves and zooms in at constant perceived speed
 * (van Wijk and Nuij, "Smooth and efficient zooming and panning", https://doi.org/10.1109/INFVIS.2003.1249004).
 */
export function between(a: View, b: View, t: number, width = 1000): View {
  if (t <= 0) return { ...a };
  if (t >= 1) return { ...b };
  const distance = Math.hypot(b.x - a.x, b.y - a.y);
  const [w0, w1] = [width / a.scale, width / b.scale];
  if (distance < 1e-6 * Math.min(w0, w1)) {
    return { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t, scale: a.scale * (b.scale / a.scale) ** t };
  }
  const bend = CURVATURE ** 4 * distance * distance;
  const r0 = -Math.asinh((w1 * w1 - w0 * w0 + bend) / (2 * w0 * CURVATURE ** 2 * distance));
  const r1 = -Math.asinh((w1 * w1 - w0 * w0 - bend) / (2 * w1 * CURVATURE ** 2 * distance));
  const s = r0 + (r1 - r0) * t;
  const share = (w0 / (CURVATURE ** 2 * distance)) * (Math.cosh(r0) * Math.tanh(s) - Math.sinh(r0));
  const visible = (w0 * Math.cosh(r0)) / Math.cosh(s);
  return { x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share, scale: width / visible };
}

const FLIGHT = 700; // milliseconds

/** Move smoothly from one view to another. */
export function flight(from: View, to: View, width: number, move: (view: View) => void): void {
  const begun = performance.now();
  const turn = (now: number) => {
    const t = Math.min(Math.max((now - begun) / FLIGHT, 0), 1);
    move(between(from, to, t * t * (3 - 2 * t), width));
    if (t < 1) requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
}

/** The smallest box around the positions; NaN is ignored. */
export function boxOf(positions: Float32Array): Box {
  let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < positions.length; i += 2) {
    const [x, y] = [positions[i], positions[i + 1]];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < bottom) bottom = y;
    if (y > top) top = y;
  }
  return left <= right && bottom <= top ? [left, bottom, right, top] : [-1, -1, 1, 1];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
