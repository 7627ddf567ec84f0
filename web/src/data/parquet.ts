/** The selected rows as a Parquet file: one row group, plain encoding, without compression and without nulls. */

import type { Column } from "../contract";
import { valuesOf } from "./selection";
import type { Table } from "./table";

const MAGIC = new TextEncoder().encode("PAR1");
const PLAIN = 0;
const RLE = 3; // of the levels, which columns without nulls do not have
const UTF8 = 0;
const REQUIRED = 0;
const TYPES = { boolean: 0, int32: 1, float: 4, text: 6 } as const;

interface Part {
  name: string;
  type: keyof typeof TYPES;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The rows with all columns, the number in the data set first. A missing number is NaN. */
export function parquet(table: Table, rows: Int32Array, columns: readonly Column[]): Blob {
  const index = { name: "index", type: "int32", bytes: bytesOf(Int32Array.from(rows, (row) => table.index[row])) } as const;
  const parts: Part[] = [index, ...columns.map((column) => partOf(table, rows, column))];
  const chunks: BlobPart[] = [MAGIC];
  const groups: Thrift[] = [];
  let offset = MAGIC.length;
  for (const { name, type, bytes } of parts) {
    const header = pageHeader(rows.length, bytes.length);
    const size = header.length + bytes.length;
    groups.push(columnChunk(name, type, rows.length, size, offset));
    chunks.push(header, bytes);
    offset += size;
  }
  const footer = fileMetaData(parts, rows.length, offset - MAGIC.length, groups);
  return new Blob([...chunks, footer, bytesOf(Uint32Array.of(footer.length)), MAGIC], { type: "application/vnd.apache.parquet" });
}

function partOf(table: Table, rows: Int32Array, column: Column): Part {
  const { name, kind } = column;
  const values = valuesOf(table, column);
  if (kind === "number") return { name, type: "float", bytes: bytesOf(Float32Array.from(rows, (row) => values[row])) };
  if (kind === "flag") return { name, type: "boolean", bytes: bits(rows, values) };
  return { name, type: "text", bytes: texts(rows, values, column.values ?? []) };
}

/** Whether each row's value is not 0, eight to a byte, the lowest bit first. */
function bits(rows: Int32Array, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(Math.ceil(rows.length / 8));
  rows.forEach((row, i) => values[row] && (result[i >> 3] |= 1 << (i & 7)));
  return result;
}

/** Each row's text after its length in bytes. */
function texts(rows: Int32Array, values: ArrayLike<number>, names: readonly string[]): Uint8Array<ArrayBuffer> {
  const encoded = names.map((name) => new TextEncoder().encode(name));
  const parts = Array.from(rows, (row) => encoded[values[row]] ?? new Uint8Array());
  const result = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(result.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    result.set(part, at + 4);
    at += 4 + part.length;
  }
  return result;
}

const bytesOf = ({ buffer }: { buffer: ArrayBuffer }) => new Uint8Array(buffer);

// The metadata: structs of Thrift's compact protocol. The numbers are the ids of the format's fields.

function pageHeader(count: number, size: number): Uint8Array<ArrayBuffer> {
  const data = struct([1, int(count)], [2, int(PLAIN)], [3, int(RLE)], [4, int(RLE)]);
  return Uint8Array.from(struct([1, int(0)], [2, int(size)], [3, int(size)], [5, data]).bytes);
}

function columnChunk(name: string, type: keyof typeof TYPES, count: number, size: number, offset: number): Thrift {
  const lists: Field[] = [[2, list([int(PLAIN)])], [3, list([text(name)])]];
  const sizes: Field[] = [[5, long(count)], [6, long(size)], [7, long(size)], [9, long(offset)]];
  return struct([2, long(offset)], [3, struct([1, int(TYPES[type])], ...lists, [4, int(0)], ...sizes)]);
}

function fileMetaData(parts: Part[], count: number, size: number, groups: Thrift[]): Uint8Array<ArrayBuffer> {
  const root = struct([4, text("images")], [5, int(parts.length)]);
  const schema = parts.map(({ name, type }) =>
    struct([1, int(TYPES[type])], [3, int(REQUIRED)], [4, text(name)], ...(type === "text" ? [[6, int(UTF8)] as Field] : [])),
  );
  const group = struct([1, list(groups)], [2, long(size)], [3, long(count)]);
  return Uint8Array.from(struct([1, int(1)], [2, list([root, ...schema])], [3, long(count)], [4, list([group])], [6, text("zatlas")]).bytes);
}

interface Thrift {
  type: number; // of the compact protocol
  bytes: number[];
}
type Field = [id: number, value: Thrift];

const [I32, I64, BINARY, LIST, STRUCT] = [5, 6, 8, 9, 12];

/** A whole number that is not negative, seven bits to a byte. */
function varint(value: number): number[] {
  const result = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...result, rest];
    result.push((rest % 128) | 128);
  }
}

const int = (value: number): Thrift => ({ type: I32, bytes: varint(2 * value) });
const long = (value: number): Thrift => ({ type: I64, bytes: varint(2 * value) });

function text(value: string): Thrift {
  const bytes = [...new TextEncoder().encode(value)];
  return { type: BINARY, bytes: [...varint(bytes.length), ...bytes] };
}

function list(items: Thrift[]): Thrift {
  const [{ type }] = items;
  const head = items.length < 15 ? [(items.length << 4) | type] : [0xf0 | type, ...varint(items.length)];
  return { type: LIST, bytes: [...head, ...items.flatMap(({ bytes }) => bytes)] };
}

/** Fields with rising ids. */
function struct(...fields: Field[]): Thrift {
  const bytes = fields.flatMap(([id, { type, bytes }], i) => [((id - (fields[i - 1]?.[0] ?? 0)) << 4) | type, ...bytes]);
  return { type: STRUCT, bytes: [...bytes, 0] };
}
