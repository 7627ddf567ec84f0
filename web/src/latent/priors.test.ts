import { expect, test } from "vitest";
import golden from "../../test/fixtures/priors.json";
import { Flow, Mixture, openPrior } from "./priors";
import { uniform } from "./random";

const open = (text: string) => openPrior(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);

test.each(golden.flows)(
  "a flow of $dim dimensions maps noise to latents as Python does",
  ({ file, noise, latents }) => {
    const result = (open(file) as Flow).transform(Float32Array.from(noise));
    expect(worst(result, latents)).toBeLessThan(1e-3);
  },
);

test.each(golden.mixtures)(
  "a mixture of $dim dimensions maps noise to latents as Python does",
  ({ file, component, noise, latents }) => {
    const result = (open(file) as Mixture).transform(component, Float32Array.from(noise));
    expect(worst(result, latents)).toBeLessThan(1e-4);
  },
);

test("a seed determines the samples", () => {
  for (const { file } of [...golden.flows, ...golden.mixtures]) {
    const prior = open(file);
    expect(prior.sample(20, uniform(1))).toEqual(prior.sample(20, uniform(1)));
    expect(prior.sample(20, uniform(1))).not.toEqual(prior.sample(20, uniform(2)));
    expect(prior.sample(20, uniform(1)).length).toBe(20 * prior.dim);
  }
});

test("a mixture's components are sampled by their weights", () => {
  const { file, means, weights, dim } = golden.mixtures[0];
  const result = open(file).sample(4000, uniform(3), 0);
  weights.forEach((weight, k) => {
    let count = 0;
    for (let i = 0; i < 4000; i++)
      if (worst(result.subarray(i * dim, (i + 1) * dim), means.slice(k * dim, (k + 1) * dim)) < 1e-6) count++;
    expect(Math.abs(count / 4000 - weight)).toBeLessThan(0.03);
  });
});

test("a file of another format is refused", () => {
  const text = atob(golden.mixtures[0].file).replace('\\"format\\": 1', '\\"format\\": 9');
  expect(() => open(btoa(text))).toThrow("export the run again");
});

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let result = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) result = Math.max(result, Math.abs(a[i] - b[i]));
  return result;
}
