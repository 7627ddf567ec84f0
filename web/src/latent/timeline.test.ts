import { expect, test } from "vitest";
import golden from "../../test/fixtures/timelines.json";
import { expectClose, floats } from "../../test/close";
import { at } from "./curves";
import { spline } from "./shapes";
import { curveTime, duration, frameCount, frameTimes, type Timing } from "./timeline";

const DIM = 6;

test.each(golden)("the frames of a timeline are Python's (closed: $closed)", (item) => {
  const timings = item.timings as Timing[];
  const curve = spline(floats(item.anchors), DIM, { closed: item.closed });
  expect(frameCount(timings, item.closed, 4)).toBe(item.frames);
  const seconds = frameTimes(timings, item.closed, item.frames);
  expectClose(seconds, item.seconds);
  const times = seconds.map((second) => curveTime(timings, curve.marks, item.closed, second));
  expectClose(times, item.times);
  expectClose(at(curve, times), item.latents);
});

test("a timeline rests at its keyframes and ends at the last one", () => {
  const timings: Timing[] = [
    { hold: 1, seconds: 2, easing: "in" },
    { hold: 3, seconds: 9, easing: "linear" },
  ];
  expect(duration(timings, false)).toBe(6);
  expect(duration(timings, true)).toBe(15);
  const at = (second: number) => curveTime(timings, [0, 1], false, second);
  expect([0, 0.9, 2, 3, 5, 99].map(at)).toEqual([0, 0, 0.25, 1, 1, 1]);
});
