import { expect, test } from "vitest";
import { pack, unpack } from "./frame";

test("a frame survives packing for any header length", () => {
  for (const word of ["", "a", "ab", "äöü", "🙂"]) {
    const numbers = Float32Array.of(1, -2.5, 3e10);
    const { header, payload } = unpack<{ word: string }>(pack({ word }, numbers).buffer);
    expect(header).toEqual({ word });
    expect(new Float32Array(payload)).toEqual(numbers);
  }
});

test("only the given part of an array is sent", () => {
  const rows = Float32Array.of(1, 2, 3, 4);
  const { payload } = unpack(pack({}, rows.subarray(1, 3)).buffer);
  expect(Array.from(new Float32Array(payload))).toEqual([2, 3]);
});

test("a frame starts with its header length in little-endian order", () => {
  expect(Array.from(pack({}).slice(0, 6))).toEqual([2, 0, 0, 0, 123, 125]);
});
