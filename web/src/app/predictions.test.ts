import { expect, test } from "vitest";
import type { Column } from "../contract";
import type { Table } from "../data";
import { grouped } from "./predictions";

const COLUMNS: Column[] = [
  { name: "label", title: "Label", kind: "class", values: ["Bag", "Coat", "Shirt"] },
  { name: "hair", title: "hair", kind: "class", values: ["gray", "blond"] },
  { name: "Gray_Hair", title: "Gray Hair", kind: "flag" },
  { name: "Smiling", title: "Smiling", kind: "flag" },
];
const table = {
  count: 4,
  classOf: (name: string) => (name === "hair" ? Uint8Array.of(0, 0, 1, 1) : Uint8Array.of(0, 1, 2, 0)),
  flag: (name: string) => (name === "Gray_Hair" ? Uint8Array.of(1, 1, 0, 0) : Uint8Array.of(1, 0, 1, 0)),
} as unknown as Table;

test("exclusive classes sum to 1, and a flag that repeats a class is left out", () => {
  const probabilities: [string, number][] = [
    ["Bag", 0.68],
    ["Coat", 0.56],
    ["Shirt", 0.35],
    ["hair=gray", 1],
    ["hair=blond", 0],
    ["Gray_Hair", 1],
    ["Smiling", 0.8],
  ];
  const [label, hair, flags] = grouped(probabilities, COLUMNS, table);
  expect(label.entries.map(([name]) => name)).toEqual(["Bag", "Coat", "Shirt"]);
  expect(label.entries.reduce((sum, [, probability]) => sum + probability, 0)).toBeCloseTo(1);
  expect(label.entries[0][1]).toBeCloseTo(0.68 / 1.59);
  expect(hair.entries).toEqual([
    ["gray", 1],
    ["blond", 0],
  ]);
  expect(flags).toEqual({ title: "", entries: [["Smiling", 0.8]] });
});
