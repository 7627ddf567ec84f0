import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import fixture from "../../test/fixtures/stories.json";
import { pack, SHIPPED, unpack, withStates } from "./story.svelte";
import { readLink } from "./link";
import { readStory, spans, writeStory } from "./storyText";

const FLAWED = Object.entries(fixture.flawed) as [string, [string, string]][];

test("a story is read with its steps, states and question", () => {
  const story = readStory(fixture.good);
  expect([story.title, story.needs]).toEqual(["Two places", ["decoder", "images"]]);
  const [look, stay] = story.steps;
  expect(readLink(look.state!)).toEqual({ pins: ["r0"], layer: "points" });
  expect(look.text.split("\n\n")).toHaveLength(2);
  expect(look.question).toEqual({
    text: "What comes next?",
    choices: [{ text: "Nothing", right: false }, { text: "Another step", right: true }],
    answer: "Right: the step below.",
  });
  expect([stay.state, stay.question]).toEqual([null, null]);
});

test("a written story is the same story", () => {
  for (const story of [readStory(fixture.good), ...SHIPPED.map(({ story }) => story)]) expect(readStory(writeStory(story))).toEqual(story);
  expect(readStory(`\ufeff${fixture.good.replaceAll("\n", "\r\n")}`)).toEqual(readStory(fixture.good));
});

test.each(FLAWED)("the page names the same flaw as Python: %s", (_, [text, problem]) => {
  expect(() => readStory(text)).toThrow(new Error(problem));
});

test("marks become pieces, and nothing else does", () => {
  const kinds = (text: string) => spans(text).map(({ kind, text, href }) => [kind, text, ...(href ? [href] : [])]);
  expect(kinds("a *b* **c** `<d>` [e](https://f.org/g)")).toEqual([
    ["text", "a "], ["emphasis", "b"], ["text", " "], ["strong", "c"], ["text", " "], ["code", "<d>"], ["text", " "], ["link", "e", "https://f.org/g"],
  ]);
  for (const text of ["2 * 3 * 4", "<b>x</b>", "[a](javascript:alert)", "[a](#b)", "`", "**", "&lt;"]) expect(kinds(text)).toEqual([["text", text]]);
});

test("markers without an end take no time", () => {
  const begun = performance.now();
  for (const sign of ["*a ", "[", "[a](", "`", "**a ", "[a](http://"]) expect(spans(sign.repeat(20_000)).length).toBeGreaterThan(0);
  expect(performance.now() - begun).toBeLessThan(2000);
});

test("a step without a state has that of the step before it", () => {
  const steps = [null, "pins=r1", null].map((state) => ({ title: "", text: "", question: null, state }));
  expect(withStates(steps).map(({ state }) => state)).toEqual(["", "pins=r1", "pins=r1"]);
});

test("a link holds a story in fewer letters", async () => {
  const text = writeStory(SHIPPED[0].story);
  const packed = await pack(text);
  expect(packed).toMatch(/^[\w-]+$/);
  expect(packed.length).toBeLessThan(0.8 * text.length);
  expect(await unpack(packed)).toBe(text);
});

test("a story that was cut, or that unpacks to too much, is refused", async () => {
  const packed = await pack(fixture.good);
  await expect(unpack(packed.slice(0, -9))).rejects.toThrow("only a part");
  await expect(unpack("!!")).rejects.toThrow("only a part");
  await expect(unpack(await pack("a".repeat(3_000_000)))).rejects.toThrow("too long");
});

test("the page has six stories, and their states are written as a link writes them", () => {
  expect(SHIPPED.map(({ name }) => name)).toEqual(["latent-space", "holes", "arc", "direction", "chart", "preference"]);
  const names = new Set(Object.keys(interfaceOf("link.ts")));
  for (const { story } of SHIPPED)
    for (const { state } of story.steps) for (const part of Object.keys(readLink(state ?? ""))) expect(names).toContain(part);
});

/** The members of the first interface in a file. */
function interfaceOf(file: string): Record<string, true> {
  const body = /interface \w+ {([^}]*)}/.exec(readFileSync(new URL(file, import.meta.url), "utf8"))![1];
  return Object.fromEntries(Array.from(body.matchAll(/^ {2}(\w+)\?:/gm), ([, name]) => [name, true as const]));
}
