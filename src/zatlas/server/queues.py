"""Queues of jobs for a thread. Clients take turns, and a newer job of a stream replaces an older one."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np

from zatlas.core.arrays import Labels, Latents, Pixels
from zatlas.core.errors import ShapeError
from zatlas.server.threads import Threads

SLICE = 16  # rows of one job that are decoded before the next client's turn
PASS_SECONDS = 0.02  # that one call of the decoder should take
MAX_ROWS = 1024  # in one call

Decode = Callable[[Latents, Labels | None], Pixels]


@dataclass(eq=False)
class Job:
    """A job in a queue; its answer is None if a newer job of its stream replaced it."""

    client: object
    stream: str | None
    answer: asyncio.Future[Any]


@dataclass(eq=False)
class Task(Job):
    """A function to call; after a timeout, no other function with its `key` starts until it returns."""

    function: Callable[[], Any]
    key: str = ""


@dataclass(eq=False)
class Decoder:
    """The decoder of a run, and the number of rows that it decodes in one pass."""

    decode: Decode
    rows: int = 1  # a slow decoder must not keep a newer request waiting

    def measure(self, rows: int, seconds: float) -> None:
        """Adapt the number of rows to a measured duration."""
        target = int(rows * PASS_SECONDS / max(seconds, 1e-6))
        self.rows = int(np.clip((self.rows + target) // 2, 1, MAX_ROWS))


@dataclass(eq=False)
class Decoding(Job):
    """Latents to decode."""

    decoder: Decoder
    z: Latents
    labels: Labels | None
    started: int = 0  # rows that are decoded or being decoded
    decoded: list[Pixels] = field(default_factory=list)


J = TypeVar("J", bound=Job)


class WorkQueue(ABC, Generic[J]):
    """One thread, and the jobs of all clients that wait for it."""

    def __init__(self, name: str, seconds: float) -> None:
        self.threads = Threads(f"zatlas-{name}", seconds)
        self.waiting: dict[object, list[J]] = {}  # by client; the first client is next
        self.wake = asyncio.Event()

    def add(self, job: J) -> None:
        """Add a job; it replaces waiting jobs of the same client and stream."""
        jobs = self.waiting.setdefault(job.client, [])
        if job.stream is not None:
            for older in [other for other in jobs if other.stream == job.stream]:
                jobs.remove(older)
                settle(older, None)
        jobs.append(job)
        self.wake.set()

    def forget(self, client: object) -> None:
        """Cancel the jobs of a client."""
        for job in self.waiting.pop(client, []):
            job.answer.cancel()

    async def run(self) -> None:
        """Work until the task is cancelled."""
        while True:
            await self.wake.wait()
            if not any(self.waiting.values()):
                self.wake.clear()
                continue
            try:
                await self.round()
            except Exception:  # of the queue itself; the next rounds answer the waiting jobs
                logging.getLogger("zatlas.server").exception("A round of %s failed.", self)

    @abstractmethod
    async def round(self) -> None:
        """One call in the thread."""

    def close(self) -> None:
        """Start no more work."""
        self.threads.close()

    def turns(self) -> Iterator[list[J]]:
        """The jobs of each client that has any; the client that has waited longest is first."""
        for client in [client for client, jobs in self.waiting.items() if not jobs]:
            del self.waiting[client]
        yield from list(self.waiting.values())

    def end_turn(self, job: J) -> None:
        """Move the client of this job to the end of the queue."""
        jobs = self.waiting.pop(job.client, None)
        if jobs is not None:
            self.waiting[job.client] = jobs


class TaskScheduler(WorkQueue[Task]):
    """A queue of functions, called one by one."""

    async def round(self) -> None:
        jobs = next(self.turns())
        job = jobs.pop(0)
        self.end_turn(job)
        try:
            settle(job, await self.threads.call(job.function, job.key))
        except Exception as error:
            fail(job, error)


class DecodeScheduler(WorkQueue[Decoding]):
    """The decoder's queue: one call decodes a slice of each client's job, up to the rows of one pass."""

    async def round(self) -> None:
        slices = self._slices()
        decoder = slices[0][0].decoder
        begin = perf_counter()
        try:
            z = np.concatenate([job.z[part] for job, part in slices])
            label_slices = [job.labels[part] for job, part in slices if job.labels is not None]
            labels = np.concatenate(label_slices) if label_slices else None
            pixels = await self.threads.call(partial(decoder.decode, z, labels), decoder)
            if len(pixels) != len(z):
                raise ShapeError(f"The decoder returned {len(pixels)} images for {len(z)} latents.")
        except Exception as error:
            for job, _ in slices:
                self._remove(job)
                fail(job, error)
            return
        decoder.measure(len(z), perf_counter() - begin)
        ends = np.cumsum([len(job.z[part]) for job, part in slices])[:-1]
        for (job, _), images in zip(slices, np.split(pixels, ends), strict=True):
            job.decoded.append(images)
            if sum(map(len, job.decoded)) == len(job.z):
                settle(job, job.decoded[0] if len(job.decoded) == 1 else np.concatenate(job.decoded))

    def _slices(self) -> list[tuple[Decoding, slice]]:
        """The slices of jobs with the same decoder that the next call decodes."""
        first = next(self.turns())[0]
        capacity = first.decoder.rows
        slices: list[tuple[Decoding, slice]] = []
        while capacity > 0:
            before = len(slices)
            for jobs in self.turns():
                job = next((job for job in jobs if job.decoder is first.decoder), None)
                if job is None or capacity <= 0:
                    continue
                part = slice(job.started, min(len(job.z), job.started + min(SLICE, capacity)))
                slices.append((job, part))
                capacity -= part.stop - part.start
                self._advance(job, part.stop)
            if len(slices) == before:
                break
        return slices

    def _advance(self, job: Decoding, stop: int) -> None:
        """Record how many rows are started; the client's other jobs come first in its next turn."""
        job.started = stop
        jobs = self.waiting[job.client]
        jobs.remove(job)
        if stop < len(job.z):
            jobs.append(job)
        self.end_turn(job)

    def _remove(self, job: Decoding) -> None:
        jobs = self.waiting.get(job.client, [])
        if job in jobs:
            jobs.remove(job)


def settle(job: Job, value: Any) -> None:
    """Set the answer, unless the job was cancelled."""
    if not job.answer.done():
        job.answer.set_result(value)


def fail(job: Job, error: Exception) -> None:
    """Set the error as the answer, unless the job was cancelled."""
    if not job.answer.done():
        job.answer.set_exception(error)
