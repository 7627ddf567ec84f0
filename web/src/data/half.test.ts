import { expect, it } from "vitest";

import type { RunEntry } from "../contract";
import type { Files } from "../types";
import { fromHalf, readLatents } from "./half";

/** What IEEE 754 says of 16 bits. */
function reference(half: number): number {
  const sign = half >> 15 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + mantissa / 1024) : sign * 2 ** -24 * mantissa;
}

it("all 65,536 float16 values are converted exactly", () => {
  const halves = Uint16Array.from({ length: 65536 }, (_, half) => half);
  const floats = fromHalf(halves.buffer);
  for (let half = 0; half < 65536; half++)
    if (!Object.is(floats[half], reference(half))) expect([half, floats[half]]).toEqual([half, reference(half)]);
});

it("latents are read by row, and a file of another size is refused", async () => {
  const files: Files = {
    bytes: async () => Uint16Array.of(0x3c00, 0x4000, 0xc000, 0, 0x3800, 0x8000).buffer,
    image: () => Promise.reject(),
  };
  const entry = { latents: "latents", count: 3, dim: 2 } as RunEntry;
  const latents = await readLatents(files, entry);
  expect([...(latents?.row(1) ?? [])]).toEqual([-2, 0]);
  expect(await readLatents(files, { ...entry, latents: null })).toBeNull();
  await expect(readLatents(files, { ...entry, dim: 4 })).rejects.toThrow("holds 6 numbers, not 3 latents of 4");
});
