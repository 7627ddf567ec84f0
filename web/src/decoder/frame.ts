/** Frames of the server's socket: header length, header as JSON, payload. */

const LENGTH = 4; // bytes of the header length

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

/** Split a frame; the payload is a copy, so that it is aligned for numbers of any width. */
export function unpack<T>(frame: ArrayBuffer): { header: T; payload: ArrayBuffer } {
  const length = new DataView(frame).getUint32(0, true);
  const text = new Uint8Array(frame, LENGTH, length);
  return { header: JSON.parse(new TextDecoder().decode(text)), payload: frame.slice(LENGTH + length) };
}
