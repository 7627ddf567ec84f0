import { expect, test } from "vitest";
import type { Images } from "../types";
import { enlarged, isGrey, wholeFactor } from "./enlarge";
import { gif } from "./gif";
import { safeName } from "./save";

function images(count: number, width: number, height: number, colour: (i: number) => number[]): Images {
  const rgba = new Uint8ClampedArray(count * width * height * 4);
  for (let i = 0; i < rgba.length / 4; i++) rgba.set([...colour(i), 255], 4 * i);
  return { count, width, height, rgba };
}

test("a small image is enlarged by whole pixels", () => {
  const small = images(1, 2, 1, (i) => [i * 100, 0, 0]);
  expect(wholeFactor(small, 5)).toBe(3);
  expect(wholeFactor(small, 1)).toBe(1);
  const { width, height, rgba } = enlarged(small, 0, 3);
  expect([width, height]).toEqual([6, 3]);
  const reds = Array.from(rgba).filter((_, i) => i % 4 === 0);
  expect(reds.slice(0, 6)).toEqual([0, 0, 0, 100, 100, 100]);
  expect(reds.slice(12)).toEqual(reds.slice(0, 6));
});

test("a film's sides are even", () => {
  const odd = images(2, 3, 5, (i) => [i, i, i]);
  const { width, height, rgba } = enlarged(odd, 1, 1, true);
  expect([width, height]).toEqual([4, 6]);
  expect(Array.from(rgba.slice(8, 16))).toEqual([17, 17, 17, 255, 17, 17, 17, 255]);
});

test("grey images are detected", () => {
  expect(isGrey(images(1, 2, 2, (i) => [i, i, i]))).toBe(true);
  expect(isGrey(images(1, 2, 2, (i) => [i, i, i + 1]))).toBe(false);
});

test("a GIF has the requested size, rate and number of frames", async () => {
  const onprogress: number[] = [];
  const grey = images(3, 16, 8, (i) => [i % 256, i % 256, i % 256]);
  const blob = await gif(grey, { rate: 20, least: 32, onprogress: (done) => onprogress.push(done) });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  expect(new TextDecoder().decode(bytes.slice(0, 6))).toBe("GIF89a");
  expect(new DataView(bytes.buffer).getUint16(6, true)).toBe(32);
  expect(new DataView(bytes.buffer).getUint16(8, true)).toBe(16);
  expect(pacesOf(bytes)).toEqual([5, 5, 5]);
  expect(Array.from(bytes.slice(13 + 3 * 200, 13 + 3 * 201))).toEqual([200, 200, 200]);
  expect(onprogress.at(-1)).toBe(1);
});

test("few colours are preserved exactly", async () => {
  const two = images(1, 4, 4, (i) => (i % 2 ? [201, 33, 77] : [1, 2, 3]));
  const bytes = new Uint8Array(await (await gif(two, { rate: 10, least: 4 })).arrayBuffer());
  expect(Array.from(bytes.slice(13, 19))).toEqual([1, 2, 3, 201, 33, 77]);
});

test("a file name is valid on every system", () => {
  expect(safeName("walk.gif")).toBe("walk.gif");
  expect(safeName("../../etc/passwd")).toBe("etc-passwd");
  expect(safeName('a<b>:"c|d?*.MP4')).toBe("a-b-c-d.mp4");
  expect(safeName("Zoë → Jürgen.png")).toBe("Zoë-Jürgen.png");
  expect(safeName(".gif")).toBe("zatlas.gif");
  expect(safeName("con.png")).toBe("zatlas-con.png");
  expect(safeName("x".repeat(500) + ".png").length).toBe(84);
});

/** The duration of each frame in 1/100 s, from the control blocks. */
function pacesOf(bytes: Uint8Array): number[] {
  const paces: number[] = [];
  for (let i = 0; i + 7 < bytes.length; i++) {
    if (bytes[i] === 0x21 && bytes[i + 1] === 0xf9 && bytes[i + 2] === 4 && bytes[i + 7] === 0) {
      paces.push(bytes[i + 4] | (bytes[i + 5] << 8));
    }
  }
  return paces;
}
