// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { attachPointer, type Mode, wheelFactor } from "./pointer";

let element: HTMLElement;
let calls: unknown[][];
let mode: Mode;
let detach: () => void;

beforeEach(() => {
  element = document.createElement("div");
  document.body.append(element);
  calls = [];
  mode = "move";
  const tell =
    (name: string) =>
    (...all: unknown[]) =>
      calls.push([name, ...all.slice(0, name === "click" ? 2 : 3)]);
  detach = attachPointer(element, {
    mode: () => mode,
    hover: tell("hover"),
    leave: tell("leave"),
    click: tell("click"),
    double: tell("double"),
    look: tell("look"),
    hold: tell("hold"),
    pan: tell("pan"),
    zoom: tell("zoom"),
    cancel: tell("cancel"),
    stroke: (points, done, kind) => calls.push(["stroke", [...points], done, kind]),
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
  it("reports hovering and leaving", () => {
    send("pointermove", 5, 6);
    send("pointerleave", 9, 9);
    expect(calls).toEqual([["hover", 5, 6], ["leave"]]);
  });

  it("clicks if it hardly moved between down and up", () => {
    send("pointerdown", 10, 10);
    send("pointermove", 12, 11);
    send("pointerup", 12, 11);
    expect(calls).toEqual([["click", 12, 11]]);
  });

  it("pans by the whole movement, without a click", () => {
    send("pointerdown", 10, 10);
    send("pointermove", 12, 10);
    send("pointermove", 30, 10);
    send("pointermove", 30, 25);
    send("pointerup", 30, 25);
    expect(calls).toEqual([
      ["pan", 20, 0],
      ["pan", 0, 15],
    ]);
  });

  it("hovers again after a release outside", () => {
    send("pointerdown", 10, 10);
    send("pointermove", 50, 60, { buttons: 0 });
    pressed = 0;
    expect(calls).toEqual([["hover", 50, 60]]);
  });

  it("draws a lasso with shift, and a path in draw mode", () => {
    send("pointerdown", 0, 0, { shiftKey: true });
    send("pointermove", 10, 0);
    send("pointerup", 10, 0);
    mode = "draw";
    send("pointerdown", 0, 0);
    send("pointermove", 0, 9);
    send("pointerup", 0, 9);
    expect(calls).toEqual([
      ["stroke", [0, 0, 10, 0], false, "lasso"],
      ["stroke", [0, 0, 10, 0], true, "lasso"],
      ["stroke", [0, 0, 0, 9], false, "draw"],
      ["stroke", [0, 0, 0, 9], true, "draw"],
    ]);
  });

  it("cancels a stroke on escape or when the pointer is lost", () => {
    mode = "lasso";
    send("pointerdown", 0, 0);
    send("pointermove", 10, 0);
    press("Escape");
    send("pointerup", 10, 0);
    expect(calls.slice(1)).toEqual([["cancel"]]);
  });

  it("zooms about two fingers", () => {
    const [item, two] = [
      { pointerId: 1, pointerType: "touch" },
      { pointerId: 2, pointerType: "touch" },
    ];
    send("pointerdown", 100, 100, item);
    send("pointerdown", 200, 100, two);
    send("pointermove", 300, 100, two);
    send("pointerup", 300, 100, two);
    send("pointermove", 100, 110, item);
    send("pointerup", 100, 110, item);
    expect(calls).toEqual([
      ["pan", 50, 0],
      ["zoom", 2, 200, 100],
      ["pan", 0, 10],
    ]);
  });

  it("looks with one finger, and pans or zooms only with two", () => {
    const one = { pointerId: 1, pointerType: "touch" };
    send("pointerdown", 100, 100, one);
    send("pointermove", 104, 100, one); // within the slack of a tap
    send("pointermove", 130, 100, one);
    send("pointerup", 130, 100, one);
    expect(calls).toEqual([
      ["look", 130, 100, true],
      ["look", 130, 100, false],
    ]);
  });

  it("reports a finger that stays", () => {
    vi.useFakeTimers();
    const one = { pointerId: 1, pointerType: "touch" };
    send("pointerdown", 100, 90, one);
    vi.advanceTimersByTime(1000);
    send("pointerup", 100, 90, one);
    vi.useRealTimers();
    expect(calls).toEqual([["hold", 100, 90]]);
  });

  it("makes two clicks in one place a double click, and two in two places none", () => {
    for (const x of [10, 11, 80]) {
      send("pointerdown", x, 10);
      send("pointerup", x, 10);
    }
    expect(calls).toEqual([
      ["click", 10, 10],
      ["double", 11, 10],
      ["click", 80, 10],
    ]);
  });

  it("zooms with the wheel, in lines or pixels, by a limited step", () => {
    const wheel = (deltaY: number, deltaMode = 0, ctrlKey = false): number =>
      wheelFactor({ deltaY, deltaMode, ctrlKey });
    expect(wheel(-48)).toBeCloseTo(wheel(-3, 1));
    expect(wheel(-100) * wheel(100)).toBeCloseTo(1);
    expect(wheel(-1e9)).toBeLessThan(2);
    expect(wheel(-10, 0, true)).toBeGreaterThan(wheel(-10));
    const event = new WheelEvent("wheel", { deltaY: -100, cancelable: true });
    element.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(true);
    expect(calls[0][0]).toBe("zoom");
  });

  it("can be replaced by keys, and other keys are ignored", () => {
    expect([
      press("ArrowLeft"),
      press("ArrowUp", { shiftKey: true }),
      press("+"),
      press("a"),
      press("-", { ctrlKey: true }),
    ]).toEqual([true, true, true, false, false]);
    expect(calls.map(([name]) => name)).toEqual(["pan", "pan", "zoom"]);
    expect(calls[0].slice(1)).toEqual([24, -0]);
  });

  it("is ignored once detached", () => {
    detach();
    send("pointermove", 5, 6);
    expect(calls).toEqual([]);
  });
});
