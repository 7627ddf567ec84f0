import { expect, test } from "vitest";
import { mixed, truncated } from "./styles";

const parts = [
  { name: "coarse", first: 0, last: 0, columns: [0, 2] as [number, number] },
  { name: "fine", first: 1, last: 1, columns: [2, 4] as [number, number] },
];
const into = Float32Array.of(0, 1, 2, 3);
const source = Float32Array.of(10, 11, 12, 13);

test("a part is taken from the source completely, partly or not at all", () => {
  expect(Array.from(mixed(into, source, parts, (part) => part))).toEqual([0, 1, 12, 13]);
  expect(Array.from(mixed(into, source, parts, (part) => (part ? 0 : 0.5)))).toEqual([5, 6, 2, 3]);
  expect(Array.from(into)).toEqual([0, 1, 2, 3]);
});

test("psi is the part of the distance from the center that remains", () => {
  expect(Array.from(truncated(into, source, 0))).toEqual(Array.from(source));
  expect(Array.from(truncated(into, source, 0.5))).toEqual([5, 6, 7, 8]);
  expect(truncated(into, source, 1)).toBe(into);
});
