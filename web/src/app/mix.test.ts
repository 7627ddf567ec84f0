import { expect, test } from "vitest";
import { pythonOf, wholeRange } from "./mix.svelte";

const part = (name: string, first: number, last: number) => ({ name, first, last, columns: [2 * first, 2 * last + 2] as [number, number] });
const parts = [part("coarse", 0, 3), part("medium", 4, 7), part("fine", 8, 8)];

test("a command names one range of layers that are taken completely", () => {
  expect(wholeRange(parts, [1, 0, 0])).toBe("0-3");
  expect(wholeRange(parts, [0, 1, 1])).toBe("4-8");
  expect(wholeRange(parts, [0, 0, 1])).toBe("8");
  expect(wholeRange(parts, [1, 0, 1])).toBeNull();
  expect(wholeRange(parts, [0.5, 0, 0])).toBeNull();
  expect(wholeRange(parts, [0, 0, 0])).toBeNull();
});

test("Python repeats each step of a mix", () => {
  const taken = [
    { part: parts[0], amount: 1 },
    { part: parts[2], amount: 0.25 },
  ];
  expect(pythonOf({ folder: "faces", space: "w+" }, "7", "2", taken, 0.7).split("\n")).toEqual([
    "import zatlas",
    "",
    'run = zatlas.load("faces").space("w+")',
    'z = run.locate("7").latent',
    'z = run.styles.mix(z[0], "2", "0-3")',
    'z = run.styles.mix(z[0], "2", "8", amount=0.25)',
    "center = run.generator.space.center()",
    "z = center + 0.7 * (z - center)",
    "images = run.decode(z)",
  ]);
});
