import { expect, test } from "vitest";
import type { RunEntry } from "../contract";
import type { Files } from "../types";
import { readLink } from "./link";
import { entryIn, linkInSpace, otherSpaces, spacesInLink } from "./spaces.svelte";

const spaces = [
  { name: "z", dim: 2, entry: null },
  { name: "w", dim: 2, entry: "data/a-1/entry.json" },
  { name: "w+", dim: 8, entry: "data/a-2/entry.json" },
];
const own = { name: "faces", space: "z", spaces } as RunEntry;
const wide = { space: "w+", spaces };
const files = {
  bytes: async (url: string) => new TextEncoder().encode(JSON.stringify({ name: url, space: "w", spaces: [] })).buffer,
} as unknown as Files;

test("the entry of another space is read from its file, and has the same list of spaces", async () => {
  expect(await entryIn(files, own, "w")).toEqual({ name: "data/a-1/entry.json", space: "w", spaces });
  expect(await entryIn(files, own, "z")).toBe(own);
  expect(await entryIn(files, own, "unknown")).toBe(own);
});

test("a link names the spaces that differ from those of the manifest", () => {
  expect(spacesInLink([own])).toBeUndefined();
  expect(spacesInLink([wide, own])).toEqual(["w+", ""]);
  expect(otherSpaces([own], undefined)).toBe(false);
  expect(otherSpaces([own], ["w"])).toBe(true);
  expect(otherSpaces([wide], undefined)).toBe(true);
  expect(otherSpaces([wide], ["w+"])).toBe(false);
  expect(otherSpaces([own], ["unknown"])).toBe(false);
  expect(otherSpaces([{ space: "z", spaces: [] }], ["w"])).toBe(false);
});

test("a switch keeps named pins and drops what belongs to one space", () => {
  const before = "pins=random-7,r3,zAAA&amounts=a:2&panel=walk&view=1,2,3";
  const { link, lost } = linkInSpace(before, [own], 0, "w+");
  expect(readLink(link)).toEqual({ pins: ["random-7", "r3"], panel: "walk", space: ["w+"] });
  expect(lost).toBe(1);
  expect(readLink(linkInSpace(link, [wide], 0, "z").link).space).toBeUndefined();
  expect(readLink(linkInSpace("", [own, own], 1, "w").link).space).toEqual(["", "w"]);
});
