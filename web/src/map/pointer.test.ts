// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { attachPointer, type Mode, wheelFactor } from "./pointer";

let element: HTMLElement;
let told: unknown[][];
let mode: Mode;
let detach: () => void;

beforeEach(() => {
  element = document.createElement("div");
  document.body.append(element);
  told = [];
  mode = "move";
  const tell =
    (name: string) =>
    (...all: unknown[]) =>
      told.push([name, ...all.slice(0, name === "click" ? 2 : 3)]);
  detach = attachPointer(element, {
    mode: () => mode,
    hover: tell("hover"),
    leave: tell("leave"),
    click: tell("click"),
    double: tell("double"),
    pan: tell("pan"),
    zoom: tell("zoom"),
    cancel: tell("cancel"),
    stroke: (points, done, kind) => told.push(["stroke", [...points], done, kind]),
  });
});

afterEach(() => element.remove());

let pressed = 0;

function send(type: string, x: number, y: number, more: PointerEventInit = {}): void {
  if (type === "pointerdown") pressed++;
  if (type === "pointerup") pressed--;
  const usual = {
    clientX: x,
    clientY: y,
    bubbles: true,
    cancelable: true,
    pointerId: 1,
    pointerType: "mouse",
    buttons: pressed > 0 ? 1 : 0,
  };
  element.dispatchEvent(new PointerEvent(type, { ...usual, ...more }));
}

function press(key: string, more: KeyboardEventInit = {}): boolean {
  return !element.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true, ...more }));
}

describe("a pointer", () => {
  it("hovers while nothing is pressed, and leaves", () => {
    send("pointermove", 5, 6);
    send("pointerleave", 9, 9);
    expect(told).toEqual([["hover", 5, 6], ["leave"]]);
  });

  it("clicks if it hardly moved between down and up", () => {
    send("pointerdown", 10, 10);
    send("pointermove", 12, 11);
    send("pointerup", 12, 11);
    expect(told).toEqual([["click", 12, 11]]);
  });

  it("pans by all that it moved, and then does not click", () => {
    send("pointerdown", 10, 10);
    send("pointermove", 12, 10);
    send("pointermove", 30, 10);
    send("pointermove", 30, 25);
    send("pointerup", 30, 25);
    expect(told).toEqual([
      ["pan", 20, 0],
      ["pan", 0, 15],
    ]);
  });

  it("hovers again if it was let go of outside", () => {
    send("pointerdown", 10, 10);
    send("pointermove", 50, 60, { buttons: 0 });
    pressed = 0;
    expect(told).toEqual([["hover", 50, 60]]);
  });

  it("draws a lasso with shift, and a path in that mode", () => {
    send("pointerdown", 0, 0, { shiftKey: true });
    send("pointermove", 10, 0);
    send("pointerup", 10, 0);
    mode = "draw";
    send("pointerdown", 0, 0);
    send("pointermove", 0, 9);
    send("pointerup", 0, 9);
    expect(told).toEqual([
      ["stroke", [0, 0, 10, 0], false, "lasso"],
      ["stroke", [0, 0, 10, 0], true, "lasso"],
      ["stroke", [0, 0, 0, 9], false, "draw"],
      ["stroke", [0, 0, 0, 9], true, "draw"],
    ]);
  });

  it("gives a stroke up on escape or when it is taken away", () => {
    mode = "lasso";
    send("pointerdown", 0, 0);
    send("pointermove", 10, 0);
    press("Escape");
    send("pointerup", 10, 0);
    expect(told.slice(1)).toEqual([["cancel"]]);
  });

  it("pinches with two fingers: what was under both stays under both", () => {
    const [one, two] = [
      { pointerId: 1, pointerType: "touch" },
      { pointerId: 2, pointerType: "touch" },
    ];
    send("pointerdown", 100, 100, one);
    send("pointerdown", 200, 100, two);
    send("pointermove", 300, 100, two);
    send("pointerup", 300, 100, two);
    send("pointermove", 100, 110, one);
    send("pointerup", 100, 110, one);
    expect(told).toEqual([
      ["pan", 50, 0],
      ["zoom", 2, 200, 100],
      ["pan", 0, 10],
    ]);
  });

  it("zooms by its wheel, in lines as in pixels, and never by more than a step", () => {
    const wheel = (deltaY: number, deltaMode = 0, ctrlKey = false): number =>
      wheelFactor({ deltaY, deltaMode, ctrlKey });
    expect(wheel(-48)).toBeCloseTo(wheel(-3, 1));
    expect(wheel(-100) * wheel(100)).toBeCloseTo(1);
    expect(wheel(-1e9)).toBeLessThan(2);
    expect(wheel(-10, 0, true)).toBeGreaterThan(wheel(-10));
    const event = new WheelEvent("wheel", { deltaY: -100, cancelable: true });
    element.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(true);
    expect(told[0][0]).toBe("zoom");
  });

  it("is not needed: keys move and zoom, and other keys are left alone", () => {
    expect([
      press("ArrowLeft"),
      press("ArrowUp", { shiftKey: true }),
      press("+"),
      press("a"),
      press("-", { ctrlKey: true }),
    ]).toEqual([true, true, true, false, false]);
    expect(told.map(([name]) => name)).toEqual(["pan", "pan", "zoom"]);
    expect(told[0].slice(1)).toEqual([24, -0]);
  });

  it("is heard no more once detached", () => {
    detach();
    send("pointermove", 5, 6);
    expect(told).toEqual([]);
  });
});
