/** Comparison of numbers with those computed by Python. */

import { expect } from "vitest";

/** Expect the same number of values, each within 1e-4 (relative above 1). */
export function expectClose(result: ArrayLike<number>, wanted: ArrayLike<number>, within = 1e-4): void {
  expect(result.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const least = within * Math.max(1, Math.abs(wanted[i]));
    if (!(Math.abs(result[i] - wanted[i]) <= least)) expect(result[i], `number ${i}`).toBeCloseTo(wanted[i], 4);
  }
}

export function floats(numbers: number[]): Float32Array {
  return Float32Array.from(numbers);
}
