import { tableFromArrays, tableToIPC, float32, float64, int32, int64, uint16, uint8, utf8 } from "@uwdata/flechette";
import { expect, it } from "vitest";

import type { ChartEntry, Column } from "../contract";
import { openTable } from "./table";

const columns: Column[] = [
  { name: "label", title: "Label", kind: "class", values: ["0", "1"] },
  { name: "error", title: "Error", kind: "number" },
];

/** Bytes as they lie in a file. */
function arrow(arrays: Record<string, ArrayLike<unknown>>, types: Record<string, unknown>): ArrayBuffer {
  const bytes = tableToIPC(tableFromArrays(arrays as never, { types } as never), { format: "file" });
  return (bytes as Uint8Array<ArrayBuffer>).slice().buffer;
}

it("columns are typed arrays, and the positions of a chart are interleaved", () => {
  const table = openTable(
    arrow(
      {
        index: [7, 8, 9],
        label: [0, 1, 1],
        error: [0.5, NaN, 2],
        many: [1, 300, 2],
        yes: [0, 1, 0],
        x: [1, 2, 3],
        y: [4, 5, 6],
      },
      { index: int32(), label: uint8(), error: float32(), many: uint16(), yes: uint8(), x: float32(), y: float32() },
    ),
    columns,
  );
  expect(table.count).toBe(3);
  expect(table.index).toEqual(Int32Array.of(7, 8, 9));
  expect(table.classOf("label")).toEqual(Uint8Array.of(0, 1, 1));
  expect(table.classOf("many")).toEqual(Uint16Array.of(1, 300, 2));
  expect(table.flag("yes")).toEqual(Uint8Array.of(0, 1, 0));
  expect(table.number("error")).toEqual(Float32Array.of(0.5, NaN, 2));
  expect(table.positions({ x: "x", y: "y" } as ChartEntry)).toEqual(Float32Array.of(1, 4, 2, 5, 3, 6));
});

it("wider numbers are narrowed, and missing ones become NaN", () => {
  const table = openTable(
    arrow({ index: [5n, 6n], error: [1.5, null] }, { index: int64(), error: float64() }),
    columns,
  );
  expect(table.index).toEqual(Int32Array.of(5, 6));
  expect(table.number("error")).toEqual(Float32Array.of(1.5, NaN));
});

it("missing columns are named in the error", () => {
  const table = openTable(arrow({ index: [1], name: ["a"] }, { index: int32(), name: utf8() }), columns);
  expect(() => table.number("eror")).toThrow("no column eror; it has index, name");
  expect(() => openTable(new TextEncoder().encode("<html>404</html>").buffer, columns, "points.arrow")).toThrow(
    "points.arrow is not an Arrow file",
  );
});
