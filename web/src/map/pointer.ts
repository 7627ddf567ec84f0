/** Pointer, wheel and keyboard input of the map. */

/** The drag mode: move the map, select points with a lasso, or draw a path. */
export type Mode = "move" | "lasso" | "draw";

/** Positions are CSS pixels from the element's top left. All handlers are optional. */
export interface PointerHandlers {
  mode?(): Mode; // called when a drag begins; with shift it is always a lasso
  hover?(px: number, py: number): void;
  look?(px: number, py: number, down: boolean): void; // one finger looks at the map; false when it is lifted
  hold?(px: number, py: number): void; // a finger stayed where it was put
  leave?(): void;
  click?(px: number, py: number, event: PointerEvent): void;
  double?(px: number, py: number): void;
  pan?(dx: number, dy: number): void;
  zoom?(factor: number, px: number, py: number): void;
  stroke?(points: readonly number[], done: boolean, mode: "lasso" | "draw"): void; // x, y, x, y ... so far
  cancel?(): void; // the stroke was cancelled (escape, or a second finger)
  step?(dx: number, dy: number): void; // arrow keys: steps right and down, ten with shift; without a handler the map pans
}

const SLACK = 4; // pixels that a click may move
const TOUCH_SLACK = 10; // pixels that a tap may move
const DOUBLE = 350; // milliseconds between the two clicks of a double click
const LONG = 550; // milliseconds of a long press
const NOTCH = 1 / 400; // of a wheel: a power of e a pixel
const KEYS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const ZOOMS: Record<string, number> = { "+": Math.SQRT2, "=": Math.SQRT2, "-": Math.SQRT1_2, _: Math.SQRT1_2 };

/** Attach listeners; returns a function that removes them. */
export function attachPointer(element: HTMLElement, handlers: PointerHandlers): () => void {
  const hand = new Hand(element, handlers);
  const end = new AbortController();
  const { signal } = end;
  element.style.touchAction = "none"; // the page must not scroll under a finger that moves the map
  element.addEventListener("pointerdown", hand.down, { signal });
  element.addEventListener("pointermove", hand.move, { signal, passive: true });
  element.addEventListener("pointerup", hand.up, { signal, passive: true });
  element.addEventListener("pointercancel", hand.lose, { signal, passive: true });
  element.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && handlers.leave?.(), {
    signal,
    passive: true,
  });
  element.addEventListener("wheel", hand.wheel, { signal, passive: false });
  element.addEventListener("keydown", hand.key, { signal });
  return () => end.abort();
}

/** The zoom factor of a wheel event; lines and pages count as pixels, and a touchpad pinch counts more. */
export function wheelFactor(event: Pick<WheelEvent, "deltaY" | "deltaMode" | "ctrlKey">): number {
  const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
  return Math.exp(-Math.max(-240, Math.min(240, pixels)) * NOTCH * (event.ctrlKey ? 4 : 1));
}

/** The active pointers and the current gesture. */
class Hand {
  private readonly fingers = new Map<number, [number, number]>();
  private doing: "press" | "held" | "look" | "pan" | "pinch" | "lasso" | "draw" | null = null;
  private last = { time: -Infinity, x: 0, y: 0 }; // the last click
  private holding = 0;
  private start: [number, number] = [0, 0];
  private line: number[] = [];
  private wanted: Mode = "move";

  constructor(
    private readonly element: HTMLElement,
    private readonly handlers: PointerHandlers,
  ) {}

  at(event: { clientX: number; clientY: number }): [number, number] {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  readonly down = (event: PointerEvent): void => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (event.target !== this.element && (event.target as Element).closest("button")) return;
    clearTimeout(this.holding);
    this.fingers.set(event.pointerId, this.at(event));
    if (this.fingers.size === 2) {
      if (this.stroking) this.handlers.cancel?.();
      if (this.doing === "look") this.handlers.look?.(...this.at(event), false);
      this.doing = "pinch";
      this.hold();
    } else if (this.fingers.size === 1) {
      this.start = this.at(event);
      this.line = [...this.start];
      this.wanted = event.shiftKey ? "lasso" : (this.handlers.mode?.() ?? "move");
      this.doing = "press";
      if (this.looks(event)) this.holding = window.setTimeout(() => this.stay(), LONG);
    }
  };

  readonly move = (event: PointerEvent): void => {
    if (event.buttons === 0) this.lose(event); // released outside
    const last = this.fingers.get(event.pointerId);
    const now = this.at(event);
    if (!last) {
      if (event.pointerType !== "touch") this.handlers.hover?.(...now);
      return;
    }
    const slack = event.pointerType === "touch" ? TOUCH_SLACK : SLACK;
    if (this.doing === "press" && Math.hypot(now[0] - this.start[0], now[1] - this.start[1]) > slack) {
      clearTimeout(this.holding);
      this.doing = this.looks(event) ? "look" : this.wanted === "move" ? "pan" : this.wanted;
      this.hold();
    }
    if (this.doing === "press") return;
    if (this.doing === "look") this.handlers.look?.(...now, true);
    if (this.doing === "pinch") this.pinch(event.pointerId, now);
    this.fingers.set(event.pointerId, now);
    if (this.doing === "pan") this.handlers.pan?.(now[0] - last[0], now[1] - last[1]);
    if (this.stroking) this.draw(event);
  };

  readonly up = (event: PointerEvent): void => {
    clearTimeout(this.holding);
    if (!this.fingers.delete(event.pointerId)) return;
    const { doing } = this;
    if (this.fingers.size === 1 && doing === "pinch") {
      this.doing = "pan"; // the remaining finger continues
      return;
    }
    if (this.fingers.size > 0) return;
    this.doing = null;
    if (doing === "press") this.click(event);
    if (doing === "look") this.handlers.look?.(...this.at(event), false);
    if (doing === "lasso" || doing === "draw") this.handlers.stroke?.(this.line, true, doing);
  };

  readonly lose = (event: PointerEvent): void => {
    clearTimeout(this.holding);
    if (!this.fingers.delete(event.pointerId)) return;
    if (this.stroking) this.handlers.cancel?.();
    if (this.doing === "look") this.handlers.look?.(...this.at(event), false);
    this.doing = this.fingers.size === 1 ? "pan" : null;
  };

  readonly wheel = (event: WheelEvent): void => {
    event.preventDefault(); // the page must not scroll or zoom as well
    this.handlers.zoom?.(wheelFactor(event), ...this.at(event));
  };

  readonly key = (event: KeyboardEvent): void => {
    if (event.target !== this.element || event.altKey || event.ctrlKey || event.metaKey) return;
    const arrow = KEYS[event.key];
    const factor = ZOOMS[event.key];
    if (event.key === "Escape" && this.stroking) {
      this.doing = null;
      this.handlers.cancel?.();
    } else if (arrow) this.arrow(arrow[0], arrow[1], event.shiftKey ? 10 : 1);
    else if (factor) this.handlers.zoom?.(factor, this.element.clientWidth / 2, this.element.clientHeight / 2);
    else return;
    event.preventDefault();
  };

  /** Whether this pointer looks at the map instead of moving it. */
  private looks(event: PointerEvent): boolean {
    return event.pointerType === "touch" && this.wanted === "move" && this.handlers.look !== undefined;
  }

  private stay(): void {
    if (this.doing !== "press") return;
    this.doing = "held";
    this.handlers.hold?.(...this.start);
  }

  /** A click, or the second click of a double click. */
  private click(event: PointerEvent): void {
    const [x, y] = this.at(event);
    const slack = event.pointerType === "touch" ? 3 * TOUCH_SLACK : 2 * SLACK;
    const double = event.timeStamp - this.last.time < DOUBLE && Math.hypot(x - this.last.x, y - this.last.y) <= slack;
    this.last = { time: double ? -Infinity : event.timeStamp, x, y };
    if (double) this.handlers.double?.(x, y);
    else this.handlers.click?.(x, y, event);
  }

  /** Capture the pointers; only when dragging starts, or buttons on the map would get no clicks. */
  private hold(): void {
    for (const id of this.fingers.keys()) this.element.setPointerCapture?.(id);
  }

  private get stroking(): boolean {
    return this.doing === "lasso" || this.doing === "draw";
  }

  private arrow(dx: number, dy: number, times: number): void {
    if (this.handlers.step) this.handlers.step(dx * times, dy * times);
    else this.handlers.pan?.(-24 * dx * times, -24 * dy * times);
  }

  /** Add all positions since the last frame, so that fast strokes stay smooth. */
  private draw(event: PointerEvent): void {
    const all = event.getCoalescedEvents?.() ?? [];
    for (const item of all.length ? all : [event]) this.line.push(...this.at(item));
    this.handlers.stroke?.(this.line, false, this.doing as "lasso" | "draw");
  }

  /** One of two fingers moved: zoom about the midpoint of both, and follow it. */
  private pinch(id: number, now: [number, number]): void {
    const last = this.fingers.get(id);
    const other = [...this.fingers].find(([item]) => item !== id)?.[1];
    if (!last || !other) return;
    const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
    const after = Math.hypot(now[0] - other[0], now[1] - other[1]);
    this.handlers.pan?.((now[0] - last[0]) / 2, (now[1] - last[1]) / 2);
    if (before > 1 && after > 1) this.handlers.zoom?.(after / before, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }
}
