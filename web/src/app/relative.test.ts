import { expect, test } from "vitest";
import type { Column } from "../contract";
import type { Table } from "../data";
import { correlation, exclusive } from "./relative";

const COLUMNS: Column[] = [
  { name: "label", title: "Label", kind: "class", values: ["3", "shoe"] },
  { name: "hair", title: "Hair", kind: "class", values: ["gray", "black"] },
  { name: "Male", title: "Male", kind: "flag" },
  { name: "age", title: "Age", kind: "number" },
];
const VALUES: Record<string, number[]> = { label: [0, 0, 1, 1], hair: [0, 0, 1, 0], Male: [1, 1, 0, 0], age: [60, 70, NaN, 30] };
const column = (name: string) => VALUES[name];
const table = { count: 4, classOf: column, flag: column, number: column } as unknown as Table;

test("two classes of one column exclude each other, and nothing else does", () => {
  expect(exclusive("class:3", "shoe", COLUMNS)).toBe(true);
  expect(exclusive("hair=gray", "hair=black", COLUMNS)).toBe(true);
  for (const [a, b] of [["3", "hair=gray"], ["3", "Male"], ["Male", "Male"], ["own", "own"]]) expect(exclusive(a, b, COLUMNS)).toBe(false);
});

test("a correlation is that of the columns, without missing values", () => {
  expect(correlation("3", "Male", COLUMNS, table)).toBeCloseTo(1);
  expect(correlation("shoe", "Male", COLUMNS, table)).toBeCloseTo(-1);
  expect(correlation("hair=gray", "Male", COLUMNS, table)).toBeCloseTo(0.577, 3);
  expect(correlation("Male", "age", COLUMNS, table)).toBeCloseTo(0.971, 3);
  expect(correlation("Male", "own", COLUMNS, table)).toBeNaN();
});
