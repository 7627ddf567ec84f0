import { expect, test } from "vitest";
import golden from "../../test/fixtures/arithmetic.json";
import { combine, meanLatent, type Summand } from "./arithmetic";

type Case = { prior: "normal" | "sphere" | "none"; dim: number; terms: { sign: number; latents: number[]; step: boolean }[]; means: number[][]; result: number[] };

test("means and results of equations are those of Python, with and without a shell", () => {
  expect(new Set(golden.map(({ prior }) => prior))).toEqual(new Set(["normal", "sphere", "none"]));
  for (const { terms, means, result, ...space } of golden as Case[]) {
    const summands = terms.map(({ sign, latents, step }) => ({ sign, latents: Float32Array.from(latents), step }) as Summand);
    close(combine(summands, space), result);
    summands.forEach(({ latents }, i) => close(meanLatent(latents, space), means[i]));
  }
});

function close(result: Float32Array, expected: number[]): void {
  expect(result).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(result[i]).toBeCloseTo(value, 4));
}
