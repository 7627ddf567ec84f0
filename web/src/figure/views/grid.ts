/** A grid of decoded positions, which moves and zooms. */

import type { Images } from "../../types";
import { paint } from "../../media/enlarge";
import { classChoice, el, Range } from "../dom";
import type { Stage } from "../stage";

const SIZE = 9; // images across and down, unless the element says so
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

export async function grid(stage: Stage): Promise<void> {
  const [run] = stage.runs;
  const size = Math.min(Math.max(Math.round(Number(stage.attribute("size")) || SIZE), 2), 24);
  const [left, bottom, right, top] = run.chart.box;
  let [x, y, label] = [(left + right) / 2, (bottom + top) / 2, stage.anchors[0].label];
  const extent = () => Math.max(right - left, top - bottom) / zoom.value;
  const text = "Grid of decoded images: drag it or press the arrow keys to move";
  const canvas = el("canvas", { class: "tiles generated", tabindex: 0, role: "application", "aria-label": text });
  const show = async () => {
    const step = extent() / size;
    const positions = new Float32Array(2 * size * size);
    for (let i = 0; i < size * size; i++) {
      positions[2 * i] = x + ((i % size) - (size - 1) / 2) * step;
      positions[2 * i + 1] = y - (Math.floor(i / size) - (size - 1) / 2) * step;
    }
    const images = await run.decode(run.inverse.inverseAll(positions), size * size, stage.stream("grid"), label);
    if (images) tile(canvas, images, size);
  };
  const zoom = new Range({ label: "Zoom", low: 0.5, high: 4, value: 1, text: (value) => `${value.toFixed(1)}×` }, () => void show());
  const by = (dx: number, dy: number) => {
    [x, y] = [x + dx, y + dy];
    void show();
  };
  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    by((arrow[0] * extent()) / size, (arrow[1] * extent()) / size);
  });
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const scale = extent() / canvas.clientWidth;
    by(-event.movementX * scale, event.movementY * scale);
  });
  const again = (chosen: number) => {
    label = chosen;
    void show();
  };
  stage.root.append(canvas, zoom.element, el("div", { class: "row" }, ...classChoice(run.entry.classes, label, again)));
  await show();
}

/** Draw images row by row into one canvas. */
function tile(canvas: HTMLCanvasElement, images: Images, size: number): void {
  const { width, height } = images;
  const one = document.createElement("canvas");
  [canvas.width, canvas.height] = [size * width, size * height];
  const pen = canvas.getContext("2d")!;
  for (let i = 0; i < images.count; i++) {
    pen.drawImage(paint(one, images, i), (i % size) * width, Math.floor(i / size) * height);
  }
  canvas.classList.toggle("pixels", canvas.width < canvas.clientWidth);
  canvas.dataset.ready = "true";
}
