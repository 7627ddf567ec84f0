import { test } from "vitest";
import { expectClose } from "../../test/close";
import { alignment, movedBy } from "./align";

const TARGET = Float32Array.of(0, 0, 3, 0, 3, 1, -2, 4);

/** The target turned by an angle, mirrored or not, scaled and shifted. */
function moved(angle: number, mirror: number): Float32Array {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return TARGET.map((_, i) => {
    const [x, y] = [TARGET[i - (i % 2)], mirror * TARGET[i - (i % 2) + 1]];
    return 7 + 2.5 * (i % 2 ? s * x + c * y : c * x - s * y);
  });
}

test.each([
  [0, 1],
  [1.2, 1],
  [3, -1],
])("a map turned by %d and mirrored by %d is aligned again", (angle, mirror) => {
  const motion = alignment(moved(angle, mirror), TARGET);
  expectClose(movedBy(motion, moved(angle, mirror)), TARGET, 1e-4);
  expectClose(motion.back(...motion.to(5, -3)), [5, -3], 1e-4);
});

test("points that the other map lacks follow the others", () => {
  const lacking = TARGET.slice();
  lacking.set([NaN, NaN], 4);
  expectClose(movedBy(alignment(moved(0.4, 1), lacking), moved(0.4, 1)), TARGET, 1e-4);
});
