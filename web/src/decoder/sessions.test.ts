import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import golden from "../../test/fixtures/conditional.json";
import { toImages } from "./images";
import { type Ort, Sessions } from "./sessions";

// The file that is copied next to the page.
const RUNTIME = new URL("../../node_modules/onnxruntime-web/dist/ort.wasm.min.mjs", import.meta.url);

const z = Float32Array.from(golden.z);
let sessions: Sessions;

beforeAll(async () => {
  const ort: Ort & { env: { wasm: { numThreads: number } } } = await import(/* @vite-ignore */ RUNTIME.href);
  ort.env.wasm.numThreads = 1;
  sessions = new Sessions(ort);
  const model = readFileSync(new URL("../../test/fixtures/conditional.onnx", import.meta.url));
  await sessions.open("conditional", new Uint8Array(model).buffer);
});

test("a real model decodes the images that Python computed", async () => {
  const result = await sessions.decode("conditional", z.slice(), 5, golden.y);
  const wanted = toImages(golden.x, [5, 3, 2, 2], 1);
  expect(result).toEqual(wanted);
});

test("a conditional model without labels is an error", async () => {
  await expect(sessions.decode("conditional", z.slice(), 5)).rejects.toThrow("one class label per image: 5, not 0");
});

test("a closed model cannot decode", async () => {
  const model = readFileSync(new URL("../../test/fixtures/conditional.onnx", import.meta.url));
  await sessions.open("other", new Uint8Array(model).buffer);
  await sessions.close("other");
  await expect(sessions.decode("other", z.slice(), 5, golden.y)).rejects.toThrow("not open");
});
