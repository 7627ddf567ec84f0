"""Exploring runs from the command line: the page is up at once, and stays until Ctrl-C."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch

from zatlas.core.browser import open_page
from zatlas.core.errors import BadRecipe, Interrupted
from zatlas.core.progress import console
from zatlas.server.background import Background
from zatlas.server.follow import FollowedRun, follow_run
from zatlas.server.placeholder import placeholder
from zatlas.server.requests import max_message_bytes
from zatlas.server.serve import IDS, Server
from zatlas.site import run_tree
from zatlas.site.tree import MAX_POINTS

Print = Callable[[str], None]
SMALL_RUN = 32 << 20  # bytes of weights: one thread decodes such a model in milliseconds


def explore(
    folders: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    points: int | None = None,
    prior: str | None = None,
    token: bool = False,
    opened: bool = True,
    told: Print = print,
) -> None:
    """Show one run or two in the browser until Ctrl-C, and follow those that are being trained."""
    if not 1 <= len(folders) <= len(IDS):
        raise BadRecipe(f"One run is explored, or two side by side; not {len(folders)}.")
    if points is not None and points < 1:
        raise BadRecipe(f"--points takes a number of points to show, at least 1, not {points}.")
    tree = partial(run_tree, max_points=points or MAX_POINTS, prior=prior, tiled=points is None)
    runs = [follow_run(folder, id, tree) for folder, id in zip(folders, IDS, strict=False)]
    largest = max(max_message_bytes(*run.sizes) for run in runs)
    server = Server(largest, host=host, port=port, token=token)
    making = Background(partial(begin, runs, server), "zatlas-page")
    try:
        told(server.url)
        if opened:
            open_page(server.url)
        making.wait()
        threading.Event().wait()
    except (KeyboardInterrupt, Interrupted) as stopped:
        number = stopped.signal if isinstance(stopped, Interrupted) else signal.SIGINT
        closed = Interrupted("The explorer is closed.", number)
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda number, _: leave(closed))  # a second signal ends at once
        if not close(runs, server, making):
            leave(closed)
        raise closed from None
    except BaseException:
        close(runs, server, making)
        raise


def close(runs: Sequence[FollowedRun], server: Server, making: Background) -> bool:
    """Stop all; whether no thread works any more."""
    for run in runs:
        run.over.set()
    made = making.stop()
    return server.close() and made


def leave(closed: Interrupted) -> NoReturn:
    """End the process although a thread still works, in a model that does not return, say."""
    console().show_cursor()
    console().print(f"zatlas: {closed}", soft_wrap=True, markup=False)
    sys.stderr.flush()
    os._exit(128 + closed.signal)


def begin(runs: Sequence[FollowedRun], server: Server) -> None:
    """Show all runs, let pages in, and follow those that are being trained."""
    for run in runs:
        first(run, server)
    if all(run.run.weights.exists() and run.run.weights.stat().st_size < SMALL_RUN for run in runs):
        torch.set_num_threads(1)  # several would wait for each other whenever a core is busy
    server.begin()
    for run in runs:
        run.start(server)


def first(run: FollowedRun, server: Server) -> None:
    """Show a run for the first time: as it is, or that there is nothing of it yet."""
    training = run.training()
    if training is not None and training["running"]:
        torch.set_num_threads(1)  # the other cores are the training's
    if run.model.exists():
        run.check(server)
        assert run.shown is not None
        console().print(entry_text(run.shown.entry), soft_wrap=True, markup=False)
        return
    tree = placeholder(run.id, run.run.folder.resolve().name, run.recipe, run.images)
    tree.entry["training"] = run.reported = training
    server.show(tree, None)
    console().print(f"{tree.entry['name']}: no weights yet; they are shown when they come.")


def entry_text(entry: dict[str, Any]) -> str:
    """What is shown, and where its images will be made."""
    decoder = entry["decoder"]
    where = "by this server" if decoder is None else f"in the page ({decoder['bytes'] / 1e6:.1f} MB)"
    return f"{entry['name']}: {entry['summary']}; {entry['count']:,} points; decoded {where}"
