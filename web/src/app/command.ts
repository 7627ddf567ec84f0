/** The `zatlas` commands that the page suggests: they name a run by its folder, and its latent space. */

import type { RunEntry } from "../contract";
import { shellWord } from "./format";

type Named = Pick<RunEntry, "folder" | "space">;

export const INPUT = "z"; // the latent space that commands open by default

/** A command about one run, or about several in the same latent space. */
export function command(verb: string, runs: Named | Named[], ...rest: string[]): string {
  const all = [runs].flat();
  const words = [verb, ...all.map(({ folder }) => shellWord(folder)), ...rest, ...spaceOption(all[0])];
  return `zatlas ${words.join(" ")}`;
}

function spaceOption({ space }: Named): string[] {
  return space === INPUT ? [] : ["--space", shellWord(space)];
}

/** How to export these runs: a command, or Python for runs in different latent spaces. */
export function exportText(runs: Named[], out: string): string {
  if (runs.every(({ space }) => space === runs[0].space)) return command("export", runs, out);
  const opened = runs.map(({ folder, space }) => `zatlas.load(${JSON.stringify(folder)}).space(${JSON.stringify(space)})`);
  return `python -c ${shellWord(`import zatlas; zatlas.export([${opened.join(", ")}], ${JSON.stringify(out)})`)}`;
}
