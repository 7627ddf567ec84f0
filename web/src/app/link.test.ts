import { expect, test } from "vitest";
import { readLink, writeLink, type LinkState } from "./link";
import { letter, readAnchor, readVector, anchorText, vectorText } from "./anchor";

const STATE: LinkState = {
  chart: "grid_umap by label",
  colour: "label",
  filter: "label=7 !Male error>0.1",
  view: [0.25, -3.5, 120],
  panel: "walk",
  pins: ["r12", "zAAA"],
  method: "slerp",
  loop: true,
  at: 0.5,
  amounts: { Smiling: 1.5, "a, b: 100 %": -2 },
  held: ["Male", "x,y"],
  label: 3,
  layer: "points",
  arithmetic: "A - B + Smiling",
  created: { "my:name": "AAAA" },
};

test("a link holds the whole state and restores it", () => {
  expect(readLink("#" + writeLink(STATE))).toEqual(STATE);
});

test("disabled flags are not written", () => {
  expect(writeLink({ loop: false, layer: undefined, filter: "" })).toBe("");
});

test("invalid parts of a link are ignored", () => {
  expect(readLink("#view=1,2&at=x&amounts=a:b,:3&label=&chart=%3Cscript%3E")).toEqual({ amounts: {}, chart: "<script>" });
  expect(readAnchor("q1", 2)).toBeNull();
  expect(readAnchor("z!!", 2)).toBeNull();
  expect(readAnchor("r-1", 2)).toBeNull();
});

test("coordinates survive as float16", () => {
  const vector = Float32Array.from([0, -0.5, 1.2345, -70000, 6e-8, 3.1415]);
  const back = readVector(vectorText(vector))!;
  back.forEach((value, i) => expect(value).toBeCloseTo(Math.max(vector[i], -65504), 2));
});

test("a real image is written by its row, another anchor by its coordinates", () => {
  const z = Float32Array.from([1, 2]);
  expect(anchorText({ z, row: 7, name: "A", about: "" })).toBe("r7");
  expect(readAnchor(anchorText({ z, row: null, name: "A", about: "" }), 2)).toEqual({ z });
});

test("pins are named by letters", () => {
  expect([0, 1, 25, 26].map(letter)).toEqual(["A", "B", "Z", "A2"]);
});
