import { expect, test } from "vitest";
import { Arithmetic, namedText, readNamed } from "./arithmetic.svelte";
import type { Page } from "./page.svelte";

const pin = { name: "A", about: "", row: null, z: Float32Array.from([1, 2]) };
const slider = { name: "A", kind: "class", field: null, std: 0.5, vector: Float32Array.from([0, 3]) };
const page = { pins: [pin], sliders: { all: [slider] }, run: {} } as unknown as Page;

test("a pin and a class with the same name stay separate terms, also through a link", () => {
  const arithmetic = new Arithmetic(page);
  arithmetic.add({ kind: "anchor", name: "A" });
  arithmetic.add({ kind: "direction", name: "A" }, -1);
  expect(arithmetic.terms.map((term) => Array.from(arithmetic.operand(term)!.latents))).toEqual([
    [1, 2],
    [0, 3],
  ]);
  const followed = new Arithmetic(page);
  followed.follow(arithmetic.link());
  expect(followed.terms).toEqual(arithmetic.terms);
});

test("signs and marks in a name survive as text", () => {
  for (const name of ["@A", "~A", "A + B - C", "100 %25"]) {
    expect(readNamed(namedText({ kind: "direction", name }))).toEqual({ kind: "direction", name });
  }
});
