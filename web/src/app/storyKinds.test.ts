import { expect, test } from "vitest";
import { SHIPPED } from "./story.svelte";
import { FACTS, HOLDS } from "./storyFacts";
import { readStory, spans, stepFor } from "./storyText";
import { STORY_NEEDS } from "../contract";

const POINTS = ["decoder", "points"];
const ENCODED = [...POINTS, "images", "autoencoder", "gap", "charts", "dimensions"];
const KINDS: Record<string, string[]> = {
  "an auto-encoder": ENCODED,
  "a VAE": [...ENCODED, "prior", "shell"],
  "a VAE with attributes": [...ENCODED, "prior", "shell", "direction", "correlated"],
  "a VAE with classes": [...ENCODED, "prior", "shell", "direction", "exclusive"],
  "a conditional VAE": [...ENCODED, "prior", "classes", "direction", "uncorrelated"],
  "a GAN": [...POINTS, "gap", "dimensions", "prior", "shell"],
  "an inner space of a GAN": [...POINTS, "gap", "dimensions", "prior"],
  "a decoder without a prior": [...POINTS, "gap", "dimensions"],
};

/** All texts of the stories that are offered to a kind of run, by story. */
function texts(kind: string): Record<string, string> {
  const holds = (name: string) => KINDS[kind].includes(name);
  return Object.fromEntries(SHIPPED.filter(({ story }) => story.needs.every(holds)).map(({ name, story }) => {
    const steps = story.steps.flatMap((step) => stepFor(step, holds) ?? []);
    expect(steps).toHaveLength(story.steps.length);
    return [name, steps.flatMap(({ title, text, question }) => [title, text, question?.text, ...(question?.choices.map((choice) => choice.text) ?? []), question?.answer]).filter(Boolean).join("\n")];
  }));
}

test.each(Object.keys(KINDS))("each sentence of a story has an end and a space before it: %s", (kind) => {
  for (const text of Object.values(texts(kind))) {
    expect(text).not.toMatch(/ {2}|\{if| [.,:]|[.:?]$^|\.[A-Z]/m);
    for (const [, name] of text.matchAll(/\{([a-z ]+)\}/g)) expect(Object.keys(FACTS)).toContain(name);
    for (const { text: part } of spans(text)) expect(part).not.toMatch(/\*\*/);
  }
});

test("the stories of a run speak of what it has", () => {
  expect(Object.keys(texts("an auto-encoder"))).toEqual(["latent-space", "holes", "chart", "preference"]);
  expect(texts("an auto-encoder").holes).toContain("This model has no prior.");
  expect(texts("a VAE").holes).toContain("This model has a prior");
  expect(Object.keys(texts("a GAN"))).toEqual(["latent-space", "arc", "preference"]);
  for (const kind of ["a GAN", "an inner space of a GAN", "a decoder without a prior"])
    for (const text of Object.values(texts(kind))) expect(text).not.toMatch(/real image|encoder of the model|encoded|image of the data is|one image of the data/);
  expect(texts("a conditional VAE")["latent-space"]).toContain("except for their class");
  expect(texts("a VAE")["latent-space"]).not.toContain("class");
});

test("a side effect is called a correlation only if it is one", () => {
  expect(texts("a VAE with attributes").direction).toContain("are correlated");
  expect(texts("a VAE with classes").direction).toContain("each image has one class only");
  expect(texts("a conditional VAE").direction).toContain("does not explain it by a correlation");
  for (const kind of ["a VAE with classes", "a conditional VAE"]) expect(texts(kind).direction).not.toContain("are correlated");
});

test("every name of a condition can be asked of a run", () => {
  expect(Object.keys(HOLDS).sort()).toEqual(STORY_NEEDS.split(" "));
});

test("a step without a text for a run is left out, and so is a choice", () => {
  const story = readStory("---\ntitle: A\n---\n\n## B\n\n{if images: Text{if not prior:  of {run}}.}\n\nQuestion: Which?\n\n- [ ] one\n- [x] two\n- [ ] {if prior: three}\n");
  const step = (...held: string[]) => stepFor(story.steps[0], (name) => held.includes(name));
  expect(step()).toBeNull();
  expect(step("images")?.text).toBe("Text of {run}.");
  expect(step("images")?.question?.choices).toHaveLength(2);
  expect(step("images", "prior")?.text).toBe("Text.");
  expect(step("images", "prior")?.question?.choices).toHaveLength(3);
});
