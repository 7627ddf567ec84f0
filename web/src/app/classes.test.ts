import { expect, test } from "vitest";
import { matching } from "./classes";

const names = ["great white shark", "white_wolf", "wolf spider", "wolf", "207"];

test("an exact name comes first, then names that start with the text, then names that contain it", () => {
  expect(matching(names, "wolf")).toEqual({ found: [3, 2, 1], total: 3 });
  expect(matching(names, " White ")).toEqual({ found: [1, 0], total: 2 });
  expect(matching(names, "white wolf").found).toEqual([1]);
  expect(matching(names, "cat")).toEqual({ found: [], total: 0 });
});

test("without a text, the first classes are shown in their order", () => {
  expect(matching(names, "", 2)).toEqual({ found: [0, 1], total: 5 });
});
