import { expect, test } from "vitest";
import { command, exportText } from "./command";

const run = { folder: "my faces", space: "z" };

test("a command names the folder of the run, and a latent space that is not the default", () => {
  expect(command("explore", run)).toBe("zatlas explore 'my faces'");
  expect(command("explore", { ...run, space: "w" })).toBe("zatlas explore 'my faces' --space w");
  expect(command("path", { folder: "faces", space: "w+" }, "--size 9")).toBe("zatlas path faces --size 9 --space w+");
});

test("runs in one latent space are exported by a command, and others by Python", () => {
  expect(exportText([run], "page.html")).toBe("zatlas export 'my faces' page.html");
  expect(exportText([{ folder: "a", space: "w" }, { folder: "b", space: "w" }], "p.html")).toBe("zatlas export a b p.html --space w");
  expect(exportText([{ folder: "a", space: "w" }, { folder: "b", space: "z" }], "p.html")).toBe(
    `python -c 'import zatlas; zatlas.export([zatlas.load("a").space("w"), zatlas.load("b").space("z")], "p.html")'`,
  );
});
