import { expect, test } from "vitest";
import { toImages } from "./images";
import { Queue } from "./queue";

/** A queue whose decoder paints the first number of each point, and what it was given, in order. */
function painter(milliseconds = 0): { queue: Queue; calls: number[][] } {
  const calls: number[][] = [];
  const queue = new Queue(2, async (z, n) => {
    calls.push(Array.from({ length: n }, (_, i) => z[2 * i]));
    const until = performance.now() + milliseconds * n;
    await new Promise((done) => setTimeout(done));
    while (performance.now() < until);
    const values = Uint8Array.from({ length: n }, (_, i) => z[2 * i]);
    return toImages(values, [n, 1, 1, 1], 255);
  });
  return { queue, calls };
}

const points = (...numbers: number[]) => Float32Array.from(numbers.flatMap((item) => [item, 0]));
const painted = (rgba: Uint8ClampedArray) => Array.from(rgba).filter((_, i) => i % 4 === 0);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test("requests without a stream are all answered in order", async () => {
  const { queue, calls } = painter();
  const answers = await Promise.all(range(0, 5).map((item) => queue.request(points(item), 1)));
  expect(answers.map((item) => painted(item!.rgba))).toEqual(range(0, 5).map((item) => [item]));
  expect(calls.flat()).toEqual(range(0, 5));
});

test("of a stream, the started and the newest request are answered", async () => {
  const { queue, calls } = painter();
  const requests = range(0, 6).map((item) => queue.request(points(item), 1, { stream: "hover" }));
  const answers = await Promise.all(requests);
  expect(answers.map((item) => item && painted(item.rgba)[0])).toEqual([0, null, null, null, null, 5]);
  expect(calls).toEqual([[0], [5]]);
});

test("two streams do not replace each other", async () => {
  const { queue } = painter();
  void queue.request(points(0), 1);
  const [a, b] = await Promise.all([
    queue.request(points(1), 1, { stream: "a" }),
    queue.request(points(2), 1, { stream: "b" }),
  ]);
  expect([painted(a!.rgba), painted(b!.rgba)]).toEqual([[1], [2]]);
});

test("a long request is decoded in slices and joined", async () => {
  const { queue, calls } = painter(1);
  const labels = range(0, 100);
  const answer = await queue.request(points(...range(0, 100)), 100, { labels });
  expect(painted(answer!.rgba)).toEqual(range(0, 100));
  expect(answer!.count).toBe(100);
  expect(calls.length).toBeGreaterThan(3);
});

test("a quick request runs between the slices of a long one", async () => {
  const { queue, calls } = painter(1);
  const long = queue.request(points(...range(0, 100)), 100, { stream: "field" });
  const quick = await queue.request(points(200), 1, { stream: "hover" });
  expect(painted(quick!.rgba)).toEqual([200]);
  expect(calls.length).toBe(2);
  expect((await long)!.count).toBe(100);
});

test("a long stream progresses during continuous quick requests", async () => {
  const { queue } = painter(1);
  let done = false;
  const long = queue.request(points(...range(0, 100)), 100, { stream: "field" }).then(() => (done = true));
  let hovers = 0;
  while (!done && hovers < 100) {
    await queue.request(points(200), 1, { stream: "hover" });
    hovers++;
  }
  await long;
  expect(hovers).toBeLessThan(60);
});

test("a failed request does not stop the others", async () => {
  const queue = new Queue(2, async (z) => {
    if (z[0] === 1) throw new Error("no");
    return toImages(Uint8Array.of(z[0]), [1, 1, 1, 1], 255);
  });
  const [good, bad, next] = await Promise.allSettled([0, 1, 2].map((item) => queue.request(points(item), 1)));
  expect(good.status).toBe("fulfilled");
  expect(bad).toMatchObject({ status: "rejected", reason: { message: "no" } });
  expect(next.status).toBe("fulfilled");
});

test("a closed queue resolves waiting and later requests with null", async () => {
  const { queue, calls } = painter();
  const first = queue.request(points(0), 1);
  const second = queue.request(points(1), 1);
  queue.close();
  expect(await second).toBeNull();
  expect(await queue.request(points(2), 1)).toBeNull();
  await first;
  expect(calls).toEqual([[0]]);
});
