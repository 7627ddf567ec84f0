"""Lanes: what waits for a thread. Clients take turns, and a newer ask of a stream replaces the older."""

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

SLICE = 16  # rows of one ask that are decoded before the next client's turn
PASS = 0.02  # seconds that one call of the decoder should take
MAX_ROWS = 1024  # in one call

Decode = Callable[[Latents, Labels | None], Pixels]


@dataclass(eq=False)
class Job:
    """What waits; its answer is None if a newer one of its stream came."""

    client: object
    stream: str | None
    answer: asyncio.Future[Any]


@dataclass(eq=False)
class Task(Job):
    """A function to call; `key` names what it waits for, so that a late call stops only its like."""

    do: Callable[[], Any]
    key: str = ""


@dataclass(eq=False)
class Decoder:
    """How the points of one run are decoded, and how many rows of it take as long as a pass may."""

    decode: Decode
    rows: int = SLICE

    def measure(self, rows: int, seconds: float) -> None:
        """So many rows took so long."""
        wanted = int(rows * PASS / max(seconds, 1e-6))
        self.rows = int(np.clip((self.rows + wanted) // 2, SLICE // 2, MAX_ROWS))


@dataclass(eq=False)
class Decoding(Job):
    """Points to decode."""

    decoder: Decoder
    z: Latents
    labels: Labels | None
    begun: int = 0  # rows that are decoded or being decoded
    done: list[Pixels] = field(default_factory=list)


J = TypeVar("J", bound=Job)


class WorkQueue(ABC, Generic[J]):
    """One thread, and the jobs of every client that wait for it."""

    def __init__(self, name: str, seconds: float) -> None:
        self.threads = Threads(f"zatlas-{name}", seconds)
        self.waiting: dict[object, list[J]] = {}  # by client; the first client is next
        self.wake = asyncio.Event()

    def add(self, job: J) -> None:
        """Let this wait, in place of those of the same client and stream that still do."""
        jobs = self.waiting.setdefault(job.client, [])
        if job.stream is not None:
            for older in [one for one in jobs if one.stream == job.stream]:
                jobs.remove(older)
                settle(older, None)
        jobs.append(job)
        self.wake.set()

    def forget(self, client: object) -> None:
        """Do nothing more for a client that has gone."""
        for job in self.waiting.pop(client, []):
            job.answer.cancel()

    async def run(self) -> None:
        """Work as long as the server does."""
        while True:
            await self.wake.wait()
            if not any(self.waiting.values()):
                self.wake.clear()
                continue
            try:
                await self.round()
            except Exception:  # of the lane itself: what waits is answered in the next rounds
                logging.getLogger("zatlas.server").exception("A round of %s failed.", self)

    @abstractmethod
    async def round(self) -> None:
        """One call in the thread."""

    def close(self) -> None:
        """Begin nothing more."""
        self.threads.close()

    def turns(self) -> Iterator[list[J]]:
        """The jobs of each client that has any, who was served longest ago first."""
        for client in [client for client, jobs in self.waiting.items() if not jobs]:
            del self.waiting[client]
        yield from list(self.waiting.values())

    def served(self, job: J) -> None:
        """The client of this job goes to the end of the row."""
        jobs = self.waiting.pop(job.client, None)
        if jobs is not None:
            self.waiting[job.client] = jobs


class TaskScheduler(WorkQueue[Task]):
    """A lane of functions, called one by one."""

    async def round(self) -> None:
        jobs = next(self.turns())
        job = jobs.pop(0)
        self.served(job)
        await self._do(job)

    async def _do(self, job: Task) -> None:
        try:
            settle(job, await self.threads.call(job.do, job.key))
        except Exception as error:
            fail(job, error)


class DecodeScheduler(WorkQueue[Decoding]):
    """The decoder's lane: a call decodes a slice of each client's ask, as much as is quickly done."""

    async def round(self) -> None:
        shares = self._shares()
        decoder = shares[0][0].decoder
        begun = perf_counter()
        try:
            z = np.concatenate([job.z[part] for job, part in shares])
            told = [job.labels[part] for job, part in shares if job.labels is not None]
            labels = np.concatenate(told) if told else None
            pixels = await self.threads.call(partial(decoder.decode, z, labels), decoder)
            if len(pixels) != len(z):
                raise ShapeError(f"The decoder made {len(pixels)} images of {len(z)} points.")
        except Exception as error:
            for job, _ in shares:
                self._remove(job)
                fail(job, error)
            return
        decoder.measure(len(z), perf_counter() - begun)
        ends = np.cumsum([len(job.z[part]) for job, part in shares])[:-1]
        for (job, _), piece in zip(shares, np.split(pixels, ends), strict=True):
            job.done.append(piece)
            if sum(map(len, job.done)) == len(job.z):
                settle(job, job.done[0] if len(job.done) == 1 else np.concatenate(job.done))

    def _shares(self) -> list[tuple[Decoding, slice]]:
        """What the next call decodes: slices of jobs of one run, in turns until there is enough."""
        first = next(self.turns())[0]
        folder = first.decoder.rows
        shares: list[tuple[Decoding, slice]] = []
        while folder > 0:
            before = len(shares)
            for jobs in self.turns():
                job = next((one for one in jobs if one.decoder is first.decoder), None)
                if job is None or folder <= 0:
                    continue
                part = slice(job.begun, min(len(job.z), job.begun + min(SLICE, folder)))
                shares.append((job, part))
                folder -= part.stop - part.start
                self._step(job, part.stop)
            if len(shares) == before:
                break
        return shares

    def _step(self, job: Decoding, stop: int) -> None:
        """Note how far a job is begun; its client's other jobs come before it again."""
        job.begun = stop
        jobs = self.waiting[job.client]
        jobs.remove(job)
        if stop < len(job.z):
            jobs.append(job)
        self.served(job)

    def _remove(self, job: Decoding) -> None:
        jobs = self.waiting.get(job.client, [])
        if job in jobs:
            jobs.remove(job)


def settle(job: Job, value: Any) -> None:
    """Give the answer, if somebody still waits for it."""
    if not job.answer.done():
        job.answer.set_result(value)


def fail(job: Job, error: Exception) -> None:
    """Give the error as the answer."""
    if not job.answer.done():
        job.answer.set_exception(error)
