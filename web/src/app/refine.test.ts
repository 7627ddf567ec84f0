import { expect, test, vi } from "vitest";
import type { Decoder, Images } from "../types";
import { Refinement, Speed } from "./refine";

const image = (side: number): Images => ({ count: 1, width: side, height: side, rgba: new Uint8ClampedArray(4 * side * side) });
const z = Float32Array.of(1);

function decoder(milliseconds: number, previews = true): Decoder {
  const decode = async () => {
    if (vi.isFakeTimers()) vi.advanceTimersByTime(milliseconds);
    return image(8);
  };
  return { where: "server", decode, coarse: previews ? async () => image(2) : undefined, close: () => undefined };
}

/** Whether a preview comes first once a decoder has decoded one image. */
async function coarseFirst(milliseconds: number, previews = true): Promise<boolean> {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout"] });
  const speed = new Speed();
  expect(speed.coarseFirst).toBe(false); // nothing is known of the decoder
  expect((await speed.decode(decoder(milliseconds, previews), z, 1, {}, false))!.width).toBe(8);
  vi.useRealTimers();
  return speed.coarseFirst;
}

test("a preview comes first if the decoder has one and is slow", async () => {
  expect(await coarseFirst(300)).toBe(true);
  expect(await coarseFirst(5)).toBe(false);
  expect(await coarseFirst(300, false)).toBe(false);
  expect((await new Speed().decode(decoder(1), z, 1, {}, true))!.width).toBe(2);
  expect((await new Speed().decode(decoder(1, false), z, 1, {}, true))!.width).toBe(8);
});

test("the complete image follows the preview when no newer request comes", async () => {
  const used: string[] = [];
  const steps = new Refinement<string>();
  const look = (name: string) => async (coarse: boolean) => (coarse ? `${name} preview` : name);
  await steps.look("hover", true, look("first"), (result) => used.push(result));
  await steps.look("hover", true, look("second"), (result) => used.push(result));
  await steps.look("shown", false, look("third"), (result) => used.push(result));
  expect(used).toEqual(["first preview", "second preview", "third"]);
  await vi.waitFor(() => expect(used).toEqual(["first preview", "second preview", "third", "second"]));
});

test("an older result does not replace a newer one", async () => {
  const used: string[] = [];
  const steps = new Refinement<string>();
  let finish: (result: string) => void = () => undefined;
  const slow = steps.look("hover", false, () => new Promise((done) => (finish = done)), (result) => used.push(result));
  await steps.look("hover", false, async () => "new", (result) => used.push(result));
  finish("old");
  await slow;
  expect(used).toEqual(["new"]);
});
