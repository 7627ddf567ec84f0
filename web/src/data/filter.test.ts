import { describe, expect, it } from "vitest";

import type { Column } from "../contract";
import { maskOf, parseQuery } from "./filter";
import type { Table } from "./table";

const columns: Column[] = [
  { name: "split", title: "Split", kind: "class", values: ["train", "test"] },
  { name: "label", title: "Label", kind: "class", values: ["7", "9", "Ankle boot"] },
  { name: "Smiling", title: "Smiling", kind: "flag" },
  { name: "Male", title: "Male", kind: "flag" },
  { name: "error", title: "Reconstruction error", kind: "number", range: [0.05, 0.3] },
];

const arrays: Record<string, Uint8Array | Float32Array> = {
  split: Uint8Array.of(0, 0, 1, 1, 0),
  label: Uint8Array.of(0, 1, 2, 0, 0),
  Smiling: Uint8Array.of(1, 1, 0, 1, 1),
  Male: Uint8Array.of(0, 1, 0, 0, 0),
  error: Float32Array.of(0.1, 0.2, 0.3, NaN, 0.15),
};

const column = (name: string): never => arrays[name] as never;
const table = {
  count: 5,
  columns,
  index: Int32Array.of(3, 1, 4, 1, 5),
  classOf: column,
  number: column,
  flag: column,
} as unknown as Table;

/** The rows that a query leaves. */
function rows(text: string): number[] {
  const { conditions, problems } = parseQuery(text, columns);
  expect(problems).toEqual([]);
  return [...maskOf(conditions, table).keys()].filter((row) => maskOf(conditions, table)[row]);
}

describe("a query", () => {
  it.each([
    ["", [0, 1, 2, 3, 4]],
    ["label=7 Smiling !Male error>0.1", [4]],
    ["label=7 Smiling !Male error>=0.1", [0, 4]],
    ['label="Ankle boot"', [2]],
    ['label=9,"ankle boot"', [1, 2]],
    ["label!=7", [1, 2]],
    ["train", [0, 1, 4]],
    ["!train", [2, 3]],
    ["smiling=no", [2]],
    ["error=0.1..0.2", [0, 1, 4]],
    ['"reconstruction error"<0.2', [0, 4]],
    ["error=0.3", [2]],
    ["index=1", [1, 3]],
    ["index>3", [2, 4]],
  ])("%s leaves the rows %j", (text, wanted) => expect(rows(text)).toEqual(wanted));

  it.each([
    ["smilling", "There is no column or class smilling. Did you mean Smiling?"],
    ["eror>0.1", "There is no column eror. Did you mean error?"],
    ["label=8", "label has no value 8. There are 7, 9, Ankle boot."],
    ["error=low", 'error needs a number, not "low": error>0.050.'],
    ["error", "error needs a value: error>0.050."],
    ["label>3", "label has no order: use = or != with it."],
    ["Smiling=maybe", "Smiling is yes or no, not maybe."],
    ["=7", "=7 is not a condition. Write a name, or a name and a value such as label=7."],
    ["!error>1", '!error>1: remove the "!" and use != instead.'],
    ["error>0.1..0.2", 'A range goes with "=": error=0.1..0.2.'],
  ])("%s is answered: %s", (text, problem) =>
    expect(parseQuery(text, columns)).toEqual({ conditions: [], problems: [problem] }),
  );

  it("keeps the valid conditions of a partly invalid query", () => {
    const { conditions, problems } = parseQuery("Smiling nonsense label=7", columns);
    expect(conditions.length).toBe(2);
    expect(problems.length).toBe(1);
  });

  it("survives names with signs, spaces and quotes in them", () => {
    const nasty: Column[] = [
      {
        name: "a",
        title: "a",
        kind: "class",
        values: ['<b x="1">', "a,b", "x=1 y", '"', "\\", "a\nb", "", "مرحبا 👋"],
      },
    ];
    for (const [value, name] of nasty[0].values!.entries()) {
      const condition = { kind: "class", column: "a", values: [value] };
      expect(parseQuery(`a="${name.replace(/["\\]/g, "\\$&")}"`, nasty)).toEqual({
        conditions: [condition],
        problems: [],
      });
    }
  });
});
