"""Timelines: how long a path rests at each keyframe, and how it moves from one keyframe to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Values
from zatlas.core.errors import BadRecipe, ShapeError, UnknownName

EASINGS: dict[str, Callable[[Values], Values]] = {
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),
    "in": lambda t: t * t,
    "out": lambda t: t * (2 - t),
}  # share of the time from one keyframe to the next -> share of the way
MAX_SECONDS = 3600.0  # of a hold, and of a move


@dataclass(frozen=True)
class Timing:
    """The timing of a keyframe: seconds of rest, then seconds and easing of the move to the next keyframe."""

    hold: float = 0.0
    seconds: float = 2.0
    easing: str = "linear"

    def __post_init__(self) -> None:
        if not 0 <= self.hold <= MAX_SECONDS:
            raise BadRecipe(f"A keyframe holds from 0 to {MAX_SECONDS:g} seconds, not {self.hold:g}.")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise BadRecipe(
                f"A move takes more than 0 and at most {MAX_SECONDS:g} seconds, not {self.seconds:g}."
            )
        if self.easing not in EASINGS:
            raise UnknownName("easing", self.easing, tuple(EASINGS))


def duration(timings: Sequence[Timing], closed: bool) -> float:
    """Return the seconds of a timeline. A closed one also moves from the last keyframe to the first."""
    moves = timings if closed else timings[:-1]
    return sum(timing.hold for timing in timings) + sum(timing.seconds for timing in moves)


def frame_count(timings: Sequence[Timing], closed: bool, fps: float) -> int:
    """Return the number of frames of the film of a timeline, 2 or more."""
    return max(int(np.floor(duration(timings, closed) * fps + 0.5)), 2)


def frame_times(timings: Sequence[Timing], closed: bool, frames: int) -> Values:
    """Return the second of each frame. A closed film has no last frame that repeats the first."""
    steps = frames if closed else frames - 1
    return np.arange(frames) * (duration(timings, closed) / max(steps, 1))


def curve_times(timings: Sequence[Timing], marks: Sequence[float], closed: bool, seconds: Values) -> Values:
    """Return the times on a curve, from 0 to 1, at these seconds of a timeline.

    `marks` are the times of the keyframes on the curve; those of a closed curve end with the first keyframe.
    """
    moves = len(timings) if closed else len(timings) - 1
    if moves < 1 or len(marks) != moves + 1:
        raise ShapeError(f"A timeline of {len(timings)} keyframes does not fit {len(marks)} positions.")
    result = np.full(len(seconds), float(marks[-1]))
    start = 0.0
    for index in range(moves):
        timing = timings[index]
        leave, arrive = start + timing.hold, start + timing.hold + timing.seconds
        share = EASINGS[timing.easing](np.clip((seconds - leave) / timing.seconds, 0, 1))
        here = (seconds >= start) & (seconds < arrive)
        result[here] = (marks[index] + share * (marks[index + 1] - marks[index]))[here]
        start = arrive
    return result
