import { expect, test } from "vitest";
import { Bench, namedText, readNamed } from "./bench.svelte";
import type { Page } from "./page.svelte";

const pin = { name: "A", about: "", row: null, z: Float32Array.from([1, 2]) };
const knob = { name: "A", kind: "class", lead: null, spread: 0.5, vector: Float32Array.from([0, 3]) };
const page = { pins: [pin], knobs: { all: [knob] }, run: {} } as unknown as Page;

test("a pin and a class of one name stay two, added, written into a link and read from it", () => {
  const bench = new Bench(page);
  bench.add({ kind: "place", name: "A" });
  bench.add({ kind: "direction", name: "A" }, -1);
  expect(bench.terms.map((term) => Array.from(bench.operand(term)!.z))).toEqual([
    [1, 2],
    [0, 3],
  ]);
  const followed = new Bench(page);
  followed.follow(bench.link());
  expect(followed.terms).toEqual(bench.terms);
});

test("signs and marks in a name are the name's own", () => {
  for (const name of ["@A", "~A", "A + B - C", "100 %25"]) {
    expect(readNamed(namedText({ kind: "direction", name }))).toEqual({ kind: "direction", name });
  }
});
