import { expect, test } from "vitest";
import { History } from "./history.svelte";

test("steps go back and forward, and a moved map is none", () => {
  const history = new History();
  expect(history.record("pins=r1")).toBe(false); // the first state
  expect(history.record("pins=r1&view=1,2,3")).toBe(false);
  expect(history.record("pins=r1,r2", 1000)).toBe(true);
  expect(history.record("", 5000)).toBe(true);
  expect(history.step(-1)).toBe("pins=r1,r2");
  expect(history.record("pins=r1,r2", 6000)).toBe(false);
  expect(history.step(-1)).toBe("pins=r1&view=1,2,3");
  expect([history.canUndo, history.canRedo, history.step(-1)]).toEqual([false, true, null]);
  expect(history.step(1)).toBe("pins=r1,r2");
  history.record("filter=a", 9000);
  expect(history.canRedo).toBe(false); // a new step replaces what was undone
});

test("letters typed quickly into the filter are one step", () => {
  const history = new History();
  history.record("");
  expect(history.record("filter=a", 1000)).toBe(true);
  expect(history.record("filter=ab", 1200)).toBe(false);
  expect(history.record("filter=abc", 4000)).toBe(true);
  expect([history.step(-1), history.step(-1)]).toEqual(["filter=ab", ""]);
});

test("the browser's Back moves to a neighboring step instead of making one", () => {
  const history = new History();
  history.record("pins=r1");
  history.record("", 1000);
  history.returning = true;
  expect(history.record("pins=r1", 2000)).toBe(false);
  expect([history.canUndo, history.canRedo]).toEqual([false, true]);
});
