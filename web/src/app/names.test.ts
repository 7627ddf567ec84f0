/** Unusual names: Python and the page are tested with the same list. */

import { expect, test } from "vitest";
import type { Column } from "../contract";
import { quoted } from "../data";
import { parseQuery } from "../data/filter";
import names from "../../../tests/names.json";
import { Arithmetic, namedText, readNamed } from "./arithmetic.svelte";
import { readLink, writeLink } from "./link";
import type { Page } from "./page.svelte";
import { shellWord } from "./format";

test("a filter accepts every class name in quotes", () => {
  const columns: Column[] = [{ name: "label", title: "Label", kind: "class", values: names }];
  names.forEach((name, value) => {
    const query = parseQuery(`label=${quoted(name)}`, columns);
    expect(query).toEqual({ conditions: [{ kind: "class", column: "label", values: [value] }], problems: [] });
  });
});

test("an equation in a link preserves every name", () => {
  const sliders = names.map((name) => ({ name, kind: "class", field: null, std: 1, vector: Float32Array.from([1]) }));
  const page = { pins: [], sliders: { all: sliders }, run: {} } as unknown as Page;
  const arithmetic = new Arithmetic(page);
  names.forEach((name, i) => arithmetic.add({ kind: "direction", name }, i % 2 ? -1 : 1));
  const followed = new Arithmetic(page);
  followed.follow(readLink(writeLink(arithmetic.link())));
  expect(followed.terms).toEqual(arithmetic.terms);
  for (const name of names) expect(readNamed(namedText({ kind: "group", name }))).toEqual({ kind: "group", name });
});

test("a link preserves slider amounts and attributes held constant", () => {
  const state = { amounts: Object.fromEntries(names.map((name, i) => [name, i + 1])), held: names };
  expect(readLink(writeLink(state))).toEqual(state);
});

test("a command that is shown has each name as one argument", () => {
  expect(shellWord("faces-vae")).toBe("faces-vae");
  expect(shellWord("$(touch PWNED) it's")).toBe(`'$(touch PWNED) it'"'"'s'`);
  for (const name of names) expect(shellWord(name)).toMatch(/^([\w@%+=:,./-]+|'([^']|'"'"')*')$/);
});
