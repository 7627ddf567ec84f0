/** A frame of the server's socket: the length of a header, the header as JSON, and the payload. */

const LENGTH = 4; // bytes that say how long the header is

export function pack(header: object, payload?: ArrayBufferView): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const frame = new Uint8Array(LENGTH + text.length + (payload?.byteLength ?? 0));
  new DataView(frame.buffer).setUint32(0, text.length, true);
  frame.set(text, LENGTH);
  if (payload) {
    const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
    frame.set(bytes, LENGTH + text.length);
  }
  return frame;
}

/** The payload is a copy of its own, so that numbers of any width can be read from it. */
export function unpack<T>(frame: ArrayBuffer): { header: T; payload: ArrayBuffer } {
  const length = new DataView(frame).getUint32(0, true);
  const text = new Uint8Array(frame, LENGTH, length);
  return { header: JSON.parse(new TextDecoder().decode(text)), payload: frame.slice(LENGTH + length) };
}
