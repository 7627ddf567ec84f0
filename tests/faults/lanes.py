"""Trials side by side, in as many forked lanes as there are cores."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any


def in_lanes(plans: Sequence[Any], trial: Callable[[Any], Any]) -> list[Any]:
    """The answer of every trial, in any order."""
    queues = min(os.cpu_count() or 1, len(plans)) or 1
    pipes = []
    for queue in range(queues):
        reading, writing = os.pipe()
        if os.fork() == 0:
            status = 1
            try:
                answers = [trial(plan) for plan in plans[queue::queues]]
                with os.fdopen(writing, "w") as pipe:
                    json.dump(answers, pipe)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        pipes.append(reading)
    texts = []
    for reading in pipes:
        with os.fdopen(reading) as pipe:
            texts.append(pipe.read())
    for _ in pipes:
        os.wait()
    return [answer for text in texts for answer in json.loads(text)]
