/** A small real WebSocket server for tests, answered by a function. */

import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket as Stream } from "node:net";
import type { ServerAnswer, ServerRequest } from "../src/contract";
import { pack, unpack } from "../src/decoder/frame";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
export type WireReply = [WithoutId<ServerAnswer>, ArrayBufferView?];
export type Handler = (request: ServerRequest, payload: ArrayBuffer) => WireReply | null;

const ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, section 1.3

export interface Wire {
  url: string;
  port: number;
  requests: ServerRequest[];
  cut(): Promise<void>; // close every connection and the server
}

/** Listen on this port, or on a free one. */
export async function wire(handle: Handler, port = 0): Promise<Wire> {
  const requests: ServerRequest[] = [];
  const streams = new Set<Stream>();
  const server = createServer();
  server.on("upgrade", (request, stream: Stream) => {
    streams.add(stream);
    stream.on("error", () => {});
    const key = createHash("sha1").update(request.headers["sec-websocket-key"]! + ACCEPT).digest("base64");
    stream.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
    );
    let held = Buffer.alloc(0);
    stream.on("data", (data) => {
      held = Buffer.concat([held, data]);
      for (let message = take(held); message; message = take(held)) {
        held = held.subarray(message.length);
        if (message.binary) answer(stream, message.body, handle, requests);
      }
    });
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const own = (server.address() as AddressInfo).port;
  return { url: `ws://127.0.0.1:${own}`, port: own, requests, cut: () => cut(server, streams) };
}

function answer(stream: Stream, body: ArrayBuffer, handle: Handler, requests: ServerRequest[]): void {
  const { header, payload } = unpack<ServerRequest>(body);
  requests.push(header);
  const reply = handle(header, payload);
  if (reply) stream.write(framed(pack({ ...reply[0], id: header.id }, reply[1])));
}

/** The first complete message of the received bytes; clients mask what they send. */
function take(data: Buffer): { body: ArrayBuffer; binary: boolean; length: number } | null {
  if (data.length < 2) return null;
  const short = data[1] & 127;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (data.length < start + 4) return null;
  const size = short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short;
  const length = start + 4 + size;
  if (data.length < length) return null;
  const mask = data.subarray(start, start + 4);
  const body = Uint8Array.from(data.subarray(start + 4, length), (byte, i) => byte ^ mask[i % 4]);
  return { body: body.buffer, binary: (data[0] & 15) === 2, length };
}

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(10);
  head[0] = 0x82;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(message.length), 2);
  return Buffer.concat([head, message]);
}

async function cut(server: Server, streams: Set<Stream>): Promise<void> {
  for (const stream of streams) stream.destroy();
  await new Promise((done) => server.close(done));
}
