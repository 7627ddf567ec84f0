import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import golden from "./golden/told.json";
import { toPictures } from "./images";
import { type Ort, Sessions } from "./sessions";

// The very file that is copied beside the page.
const RUNTIME = new URL("../../node_modules/onnxruntime-web/dist/ort.wasm.min.mjs", import.meta.url);

const z = Float32Array.from(golden.z);
let sessions: Sessions;

beforeAll(async () => {
  const ort: Ort & { env: { wasm: { numThreads: number } } } = await import(/* @vite-ignore */ RUNTIME.href);
  ort.env.wasm.numThreads = 1;
  sessions = new Sessions(ort);
  const model = readFileSync(new URL("./golden/told.onnx", import.meta.url));
  await sessions.open("told", new Uint8Array(model).buffer);
});

test("a real model's images are those that Python computed", async () => {
  const found = await sessions.decode("told", z.slice(), 5, golden.y);
  const wanted = toPictures(golden.x, [5, 3, 2, 2], 1);
  expect(found).toEqual(wanted);
});

test("a model that is told classes says so when it is not", async () => {
  await expect(sessions.decode("told", z.slice(), 5)).rejects.toThrow("a class for each image: 5, not 0");
});

test("a model that is closed cannot be asked", async () => {
  const model = readFileSync(new URL("./golden/told.onnx", import.meta.url));
  await sessions.open("other", new Uint8Array(model).buffer);
  await sessions.close("other");
  await expect(sessions.decode("other", z.slice(), 5, golden.y)).rejects.toThrow("not open");
});
