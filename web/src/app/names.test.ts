/** Names that look like anything at all: both sides of zatlas are tried with the same list. */

import { expect, test } from "vitest";
import type { Column } from "../contract";
import { parseQuery, quoted } from "../data";
import names from "../../../tests/names.json";
import { Bench, namedText, readNamed } from "./bench.svelte";
import { readLink, writeLink } from "./link";
import type { Page } from "./page.svelte";
import { shellWord } from "./words";

test("a filter takes every class by its name in quotes", () => {
  const columns: Column[] = [{ name: "label", title: "Label", kind: "class", values: names }];
  names.forEach((name, value) => {
    const query = parseQuery(`label=${quoted(name)}`, columns);
    expect(query).toEqual({ conditions: [{ kind: "class", column: "label", values: [value] }], problems: [] });
  });
});

test("an equation in a link keeps every name", () => {
  const knobs = names.map((name) => ({ name, kind: "class", lead: null, spread: 1, vector: Float32Array.from([1]) }));
  const page = { pins: [], knobs: { all: knobs }, run: {} } as unknown as Page;
  const bench = new Bench(page);
  names.forEach((name, i) => bench.add({ kind: "direction", name }, i % 2 ? -1 : 1));
  const followed = new Bench(page);
  followed.follow(readLink(writeLink(bench.link())));
  expect(followed.terms).toEqual(bench.terms);
  for (const name of names) expect(readNamed(namedText({ kind: "group", name }))).toEqual({ kind: "group", name });
});

test("a link keeps how far every direction is moved, and which are left alone", () => {
  const state = { amounts: Object.fromEntries(names.map((name, i) => [name, i + 1])), without: names };
  expect(readLink(writeLink(state))).toEqual(state);
});

test("a command that is shown has each name as one word", () => {
  expect(shellWord("faces-vae")).toBe("faces-vae");
  expect(shellWord("$(touch PWNED) it's")).toBe(`'$(touch PWNED) it'"'"'s'`);
  for (const name of names) expect(shellWord(name)).toMatch(/^([\w@%+=:,./-]+|'([^']|'"'"')*')$/);
});
