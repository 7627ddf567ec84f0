import { describe, expect, it } from "vitest";

import type { Column } from "../contract";
import { colouring, COLOURS, rgbOf, scaleColour } from "./colours";
import type { Table } from "./table";

const tableOf = (values: ArrayLike<number>): Table =>
  ({ count: values.length, classOf: () => values, number: () => values, flag: () => values }) as unknown as Table;

const colourOf = ({ indices, palette }: { indices: Uint8Array; palette: Uint8Array }, row: number): number[] => [
  ...palette.subarray(4 * indices[row], 4 * indices[row] + 3),
];

function lightness(colour: string): number {
  const [r, g, b] = rgbOf(colour).map((value) => (value / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

describe("colours", () => {
  it("are distinct for a few classes, in both themes", () => {
    const column: Column = { name: "label", title: "Label", kind: "class", values: ["a", "b", "c"] };
    for (const theme of ["light", "dark"] as const) {
      const made = colouring(column, tableOf(Uint8Array.of(2, 0, 0)), theme);
      expect(colourOf(made, 0)).toEqual(rgbOf(COLOURS[theme].classes[2]));
      expect(made.legend.kind === "class" && made.legend.entries.map(({ text, count }) => [text, count])).toEqual([
        ["a", 2],
        ["b", 0],
        ["c", 1],
      ]);
    }
  });

  it("follow the names of the classes if all are different colours", () => {
    const column: Column = { name: "hair", title: "Hair", kind: "class", values: ["black", "blond", "gray"] };
    const made = colouring(column, tableOf(Uint8Array.of(0, 1, 2)), "light");
    const [r, g, b] = colourOf(made, 1);
    expect(r > g && g > 2 * b).toBe(true); // yellow
    expect(lightness(`#${colourOf(made, 0).map((value) => value.toString(16).padStart(2, "0")).join("")}`)).toBeLessThan(0.05);
    const mixed = { ...column, values: ["black", "blond", "cat"] };
    expect(colourOf(colouring(mixed, tableOf(Uint8Array.of(0)), "light"), 0)).toEqual(rgbOf(COLOURS.light.classes[0]));
  });

  it("distinguish the twenty-four most frequent of many classes", () => {
    const values = Array.from({ length: 300 }, (_, i) => `${i}`);
    const rows = Uint16Array.from({ length: 5000 }, (_, i) => (i < 300 ? i : 270 + (i % 30)));
    const made = colouring({ name: "label", title: "Label", kind: "class", values }, tableOf(rows), "light");
    if (made.legend.kind === "number") throw new Error("a class is not a number");
    const { entries } = made.legend;
    expect(entries.length).toBe(25);
    expect(new Set(entries.map(({ colour }) => colour)).size).toBe(25);
    expect(entries.at(-1)).toMatchObject({ text: "other", colour: COLOURS.light.missing });
    expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(5000);
    expect(colourOf(made, 5)).toEqual(rgbOf(COLOURS.light.missing));
    for (const {
      values: [value],
      colour,
    } of entries.slice(0, 24))
      expect(colourOf(made, value)).toEqual(rgbOf(colour));
  });

  it("of a flag are strong for yes and muted for no", () => {
    const made = colouring({ name: "yes", title: "Yes", kind: "flag" }, tableOf(Uint8Array.of(1, 0, 0)), "dark");
    expect(colourOf(made, 0)).toEqual(rgbOf(COLOURS.dark.yes));
    expect(colourOf(made, 1)).toEqual(rgbOf(COLOURS.dark.no));
  });

  it("of numbers cover the range, are clipped beyond it, and are grey if missing", () => {
    const made = colouring(
      { name: "n", title: "N", kind: "number", range: [0, 1] },
      tableOf(Float32Array.of(-9, 0, 0.5, 1, 9, NaN)),
      "light",
    );
    expect([...made.indices]).toEqual([0, 0, 127, 254, 254, 255]);
    expect(colourOf(made, 5)).toEqual(rgbOf(COLOURS.light.missing));
    expect(made.legend.kind === "number" && made.legend.missing?.count).toBe(1);
    expect([
      ...colouring({ name: "n", title: "N", kind: "number", range: [2, 2] }, tableOf(Float32Array.of(2)), "light")
        .indices,
    ]).toEqual([0]);
  });

  it("of the scale increase in lightness", () => {
    const steps = Array.from({ length: 101 }, (_, i) => lightness(scaleColour(COLOURS.light, i / 100)));
    for (let i = 1; i < steps.length; i++) expect(steps[i]).toBeGreaterThan(steps[i - 1]);
  });
});
