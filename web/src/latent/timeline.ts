/** Timelines: how long a walk rests at each keyframe, and how it moves from one keyframe to the next. */

export const EASINGS = ["linear", "smooth", "in", "out"] as const;
export type Easing = (typeof EASINGS)[number];

/** The timing of a keyframe: seconds of rest, then seconds and easing of the move to the next keyframe. */
export interface Timing {
  hold: number;
  seconds: number;
  easing: Easing;
}

export const TIMING: Timing = { hold: 0, seconds: 2, easing: "linear" };
export const MAX_SECONDS = 3600; // of a hold, and of a move

const EASE: Record<Easing, (t: number) => number> = {
  linear: (t) => t,
  smooth: (t) => t * t * (3 - 2 * t),
  in: (t) => t * t,
  out: (t) => t * (2 - t),
};

/** Seconds of a timeline. A closed one also moves from the last keyframe to the first. */
export function duration(timings: readonly Timing[], closed: boolean): number {
  const moves = closed ? timings : timings.slice(0, -1);
  return timings.reduce((sum, { hold }) => sum + hold, 0) + moves.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** The number of frames of its film, 2 or more. */
export function frameCount(timings: readonly Timing[], closed: boolean, rate: number): number {
  return Math.max(Math.floor(duration(timings, closed) * rate + 0.5), 2);
}

/** The second of each frame. A closed film has no last frame that repeats the first. */
export function frameTimes(timings: readonly Timing[], closed: boolean, frames: number): number[] {
  const step = duration(timings, closed) / Math.max(closed ? frames : frames - 1, 1);
  return Array.from({ length: frames }, (_, i) => i * step);
}

/**
 * The time on a curve, from 0 to 1, at a second of a timeline.
 * `marks` are the times of the keyframes on the curve; those of a closed curve end with the first keyframe.
 */
export function curveTime(timings: readonly Timing[], marks: readonly number[], closed: boolean, second: number): number {
  const moves = closed ? timings.length : timings.length - 1;
  let start = 0;
  for (let i = 0; i < moves; i++) {
    const { hold, seconds, easing } = timings[i];
    const arrive = start + hold + seconds;
    if (second < arrive) {
      const share = EASE[easing](Math.min(Math.max((second - start - hold) / seconds, 0), 1));
      return marks[i] + share * (marks[i + 1] - marks[i]);
    }
    start = arrive;
  }
  return marks[moves];
}
