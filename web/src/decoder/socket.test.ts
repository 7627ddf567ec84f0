import { WebSocket } from "undici"; // what jsdom has; Node has one of its own from 22 on
import { afterEach, expect, test, vi } from "vitest";
import { toImages } from "./images";
import { latentOf, geodesic, nearestLatents, newChart, realImage, serverDecoder, serverEncoder } from "./server";
import { openSocket, Refused, type Socket } from "./socket";
import { type Handler, type WireReply, type Wire, wire } from "../../test/wire";

vi.stubGlobal("WebSocket", WebSocket);
vi.stubGlobal("document", { baseURI: "http://127.0.0.1/" });

const run = { id: "a", dim: 2, image: { channels: 1, height: 1, width: 1 }, coarse: null };

let server: Wire | null = null;
let socket: Socket | null = null;

afterEach(async () => {
  socket?.close();
  await server?.cut();
});

async function connected(behave: Handler): Promise<Socket> {
  server = await wire(behave);
  return (socket = openSocket(server.url));
}

/** Paints the first number of each point. */
const paint: Handler = (request, payload) => {
  if (request.kind !== "decode") return null;
  const z = new Float32Array(payload);
  const bytes = Uint8Array.from({ length: request.n }, (_, i) => z[2 * i]);
  return [{ kind: "images", shape: [request.n, 1, 1, 1] }, bytes];
};

const points = (rows: number[], dim = 2): WireReply => [
  { kind: "latents", shape: [rows.length / dim, dim] },
  Float32Array.from(rows),
];

test("images from the server become RGBA pixels", async () => {
  const decoder = serverDecoder(await connected(paint), run);
  expect(decoder.where).toBe("server");
  const result = await decoder.decode(Float32Array.of(7, 0, 9, 0), 2);
  expect(result).toEqual(toImages([7, 9], [2, 1, 1, 1], 255));
});

test("of many hovers, the server gets the first and the last", async () => {
  const decoder = serverDecoder(await connected(paint), run);
  const requests = [1, 2, 3, 4].map((item) => decoder.decode(Float32Array.of(item, 0), 1, { stream: "hover" }));
  const answers = await Promise.all(requests);
  expect(answers.map((item) => item?.rgba[0] ?? null)).toEqual([1, null, null, 4]);
  expect(server!.requests.length).toBe(2);
});

test("a preview does not wait for a complete image", async () => {
  const late: Handler = (request, payload) => (request.kind === "decode" && !request.coarse ? null : paint(request, payload)); // no complete image is ever sent
  const decoder = serverDecoder(await connected(late), { ...run, coarse: 1 });
  void decoder.decode(Float32Array.of(1, 0), 1).catch(() => null);
  const preview = await decoder.coarse!(Float32Array.of(2, 0), 1);
  expect(preview!.rgba[0]).toBe(2);
  expect(server!.requests[0]).not.toHaveProperty("coarse");
  expect(server!.requests[1]).toMatchObject({ coarse: true });
  expect(serverDecoder(socket!, run).coarse).toBeUndefined();
});

test("class labels are sent with the latents", async () => {
  const decoder = serverDecoder(await connected(paint), run);
  await decoder.decode(Float32Array.of(1, 0), 1, { labels: [5] });
  expect(server!.requests[0]).toMatchObject({ kind: "decode", run: "a", n: 1, labels: [5] });
});

test("images are sent to the encoder as bytes", async () => {
  const encoder = serverEncoder(
    await connected((request, payload) => (request.kind === "encode" ? points([...new Uint8Array(payload), 1]) : null)),
    run,
  );
  expect(Array.from(await encoder.encode(toImages([3], [1, 1, 1, 1], 255)))).toEqual([3, 1]);
});

test("other requests are sent by kind", async () => {
  const open = await connected((request, payload) => {
    if (request.kind === "geodesic") return points(Array.from(new Float32Array(payload)));
    if (request.kind === "latent") return points([request.row, 0]);
    if (request.kind === "image") return [{ kind: "images", shape: [1, 1, 1, 1] }, Uint8Array.of(request.row)];
    const both = new Uint8Array(16);
    both.set(new Uint8Array(Int32Array.of(4, 2).buffer));
    both.set(new Uint8Array(Float32Array.of(0.5, 1).buffer), 8);
    return [{ kind: "neighbors", shape: [1, 2] }, both];
  });
  const ends = [Float32Array.of(1, 2), Float32Array.of(3, 4)] as const;
  expect(Array.from(await geodesic(open, run, ...ends))).toEqual([1, 2, 3, 4]);
  expect(Array.from(await latentOf(open, run, 8))).toEqual([8, 0]);
  expect((await realImage(open, run, 6)).rgba[0]).toBe(6);
  const near = await nearestLatents(open, run, ends[0], 2);
  expect([Array.from(near!.rows), Array.from(near!.distances)]).toEqual([
    [4, 2],
    [0.5, 1],
  ]);
});

test("a new chart comes with its positions", async () => {
  const chart = { name: "grid_umap" } as never;
  const open = await connected(() => [{ kind: "chart", chart }, Float32Array.of(1, 2, 3, 4)]);
  const result = await newChart(open, run, "umap", "label");
  expect(result.chart).toEqual(chart);
  expect(Array.from(result.positions)).toEqual([1, 2, 3, 4]);
  expect(server!.requests[0]).toMatchObject({ layout: "umap", by: "label" });
});

test("a refusal by the server is an error with its hint", async () => {
  const open = await connected(() => [{ kind: "error", code: "bad-shape", message: "No.", hint: "Do so." }]);
  const refused = await open.request({ kind: "latent", run: "a", row: 1 }).catch((error) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect(refused).toMatchObject({ code: "bad-shape", message: "No. Do so.", hint: "Do so." });
});

test("two runs have separate streams, and a dropped request resolves to null", async () => {
  const open = await connected(() => [{ kind: "dropped" }]);
  expect(await nearestLatents(open, run, Float32Array.of(1, 2), 2, "hover")).toBeNull();
  expect(server!.requests[0].stream).toBe("a hover");
});

test("while connecting, only the newest request of a stream stays", async () => {
  const open = await connected(() => [{ kind: "dropped" }]);
  await Promise.all([1, 2, 3].map((item) => nearestLatents(open, run, Float32Array.of(item, 2), 2, "s")));
  expect(server!.requests.length).toBe(1);
});

test("losing and regaining the server each give a message", async () => {
  const open = await connected(() => null);
  const states: string[] = [];
  const sentences: string[] = [];
  open.watch((state, sentence) => (states.push(state), sentences.push(sentence)));
  const lost = open.request({ kind: "latent", run: "a", row: 1 }).catch((error: Error) => error.message);
  await until(() => server!.requests.length === 1);
  const { port } = server!;
  await server!.cut();
  expect(await lost).toContain("The server does not answer.");
  await expect(open.request({ kind: "latent", run: "a", row: 1 })).rejects.toThrow("does not answer");
  server = await wire(() => points([1, 2]), port);
  await until(() => open.state === "open");
  expect(Array.from(await latentOf(open, run, 1))).toEqual([1, 2]);
  expect(states).toEqual(["open", "gone", "open"]);
  expect(sentences[1]).toContain("still works");
});

async function until(ready: () => boolean): Promise<void> {
  while (!ready()) await new Promise((done) => setTimeout(done, 10));
}
