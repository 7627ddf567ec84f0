import { expect, test } from "vitest";
import type { RunEntry } from "../contract";
import type { Table } from "../data";
import type { Anchor } from "./anchor";
import { keyframeText, pinsOf, readKeyframe, timelineFile } from "./keyframe";
import { readLink, writeLink } from "./link";

const pin = (row: number | null, keyframe?: Anchor["keyframe"]): Anchor => ({ z: Float32Array.of(1, 2), row, name: "A", about: "", keyframe });
const KEYFRAME = { hold: 0.5, seconds: 3, easing: "smooth" as const, edits: { "a;b=c, d:e": -1.5, Smiling: 2 } };
const run = {
  entry: { dim: 2, classes: ["x", "y"], sprites: {}, kind: "image" } as unknown as RunEntry,
  table: { index: Int32Array.of(70, 80) } as unknown as Table,
  labelOf: () => 1,
  rowOf: (index: number) => (index === 80 ? 1 : undefined),
  anchor: (row: number) => pin(row),
};

test("a keyframe survives a link, with any name of a direction", () => {
  const keyframes = [keyframeText(pin(3, KEYFRAME)), keyframeText(pin(4))];
  const link = readLink(`#${writeLink({ keyframes })}`);
  expect(link.keyframes?.map(readKeyframe)).toEqual([KEYFRAME, undefined]);
});

test("damaged keyframes of a link get valid values", () => {
  expect(readKeyframe("-3;x;bounce;a=b;c")).toEqual({ hold: 0, seconds: 2, easing: "linear", edits: {} });
  expect(readKeyframe("1e9;0;in")).toEqual({ hold: 3600, seconds: 0.05, easing: "in", edits: {} });
});

test("a timeline file has the edited latents, and the page reads its pins back", () => {
  const pins = [pin(1, KEYFRAME), pin(null)];
  const file = timelineFile(run, pins, () => Float32Array.of(4, 5), { method: "slerp", closed: true, constantRate: false });
  expect(file.keyframes[0]).toEqual({ anchor: "image:80", latent: [4, 5], label: "y", ...KEYFRAME });
  expect(file.keyframes[1]).toEqual({ latent: [4, 5], label: "y", hold: 0, seconds: 2, easing: "linear" });
  const [first, second] = pinsOf(run, file);
  expect([first.row, first.keyframe]).toEqual([1, KEYFRAME]);
  expect([second.row, Array.from(second.z), second.label]).toEqual([null, [4, 5], 1]);
});
