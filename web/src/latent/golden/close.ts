/** What the tests ask of numbers that Python has computed too. */

import { expect } from "vitest";

/** As many numbers, and each as large but for 1e-4. */
export function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>, within = 1e-4): void {
  expect(found.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const least = within * Math.max(1, Math.abs(wanted[i]));
    if (!(Math.abs(found[i] - wanted[i]) <= least)) expect(found[i], `number ${i}`).toBeCloseTo(wanted[i], 4);
  }
}

export function floats(numbers: number[]): Float32Array {
  return Float32Array.from(numbers);
}
