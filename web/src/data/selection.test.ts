import { expect, test } from "vitest";
import type { Column } from "../contract";
import { maskOf, parseQuery, replaced } from "./filter";
import { histogram } from "./histogram";
import { csv, sortedRows } from "./selection";
import type { Table } from "./table";

const COLUMNS: Column[] = [
  { name: "label", title: "Label", kind: "class", values: ["cat", "=dog, big"] },
  { name: "Old", title: "Old", kind: "flag" },
  { name: "error", title: "Error", kind: "number", range: [0, 1] },
];
const table = {
  count: 4,
  columns: COLUMNS,
  index: Int32Array.of(10, 11, 12, 13),
  classOf: () => Uint8Array.of(0, 1, 1, 0),
  flag: () => Uint8Array.of(1, 0, 1, 0),
  number: () => Float32Array.of(0.5, 0.25, NaN, 2),
} as unknown as Table;
const conditions = (text: string) => parseQuery(text, COLUMNS).conditions;

test("a histogram counts all points, and those that meet the conditions on other columns", () => {
  const counts = (name: number, text: string) => histogram(COLUMNS[name], table, conditions(text), maskOf(conditions(text), table)).map(({ all, shown }) => [all, shown]);
  expect(counts(0, "Old")).toEqual([
    [2, 1],
    [2, 1],
  ]);
  expect(counts(0, "label=cat")).toEqual([
    [2, 2],
    [2, 2],
  ]);
  expect(counts(1, "label=cat error>1")).toEqual([
    [2, 1],
    [2, 0],
  ]);
});

test("a histogram of numbers leaves missing values out and puts outliers into its ends", () => {
  const bins = histogram(COLUMNS[2], table, [], null);
  expect(bins.reduce((sum, bin) => sum + bin.all, 0)).toBe(3);
  expect(bins.at(-1)!.all).toBe(1);
  expect(bins[12].all).toBe(1);
});

test("rows are sorted by a column, missing numbers last in both orders", () => {
  expect(Array.from(sortedRows(table, null, COLUMNS[2], false))).toEqual([1, 0, 3, 2]);
  expect(Array.from(sortedRows(table, null, COLUMNS[2], true))).toEqual([3, 0, 1, 2]);
  expect(Array.from(sortedRows(table, Uint8Array.of(1, 0, 0, 1), null, false))).toEqual([0, 3]);
});

test("a CSV file quotes what needs it, and no field is a formula", () => {
  expect(csv(table, Int32Array.of(1, 2), COLUMNS)).toBe(`index,label,Old,error\r\n11,"'=dog, big",0,0.25\r\n12,"'=dog, big",1,\r\n`);
});

test("a condition on a column replaces the others on it", () => {
  expect(replaced('label=cat Old error=0.1..0.2', COLUMNS, "error", "error=0.5..0.6")).toBe("label=cat Old error=0.5..0.6");
  expect(replaced("cat !Old", COLUMNS, "label", null)).toBe("!Old");
  expect(replaced("nonsense! Old", COLUMNS, "Old", "!Old")).toBe("nonsense! !Old");
});
