"""The explorer of the command line: the page opens at once, and the server runs until Ctrl-C."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch

from zatlas.core.errors import BadRecipe, Interrupted
from zatlas.core.logs import LOG
from zatlas.core.system import SYSTEM
from zatlas.models.generator import INPUT
from zatlas.server.background import CHECK_SECONDS, Background
from zatlas.server.follow import FollowedRun, follow_run
from zatlas.server.placeholder import placeholder
from zatlas.server.requests import max_message_bytes
from zatlas.server.serve import Server
from zatlas.site import run_tree
from zatlas.site.story import read_story
from zatlas.site.tree import IDS, MAX_POINTS

Print = Callable[[str], None]
STOP_SECONDS = 1.0  # for the preparation to end by itself; a longer one ends with the process
SHOW_CURSOR = "\x1b[?25h"  # for a terminal whose cursor a progress bar has hidden
SMALL_WEIGHTS = 32 << 20  # bytes; one thread decodes such a model in milliseconds


def explore(
    folders: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    points: int | None = None,
    prior: str | None = None,
    space: str = INPUT,
    token: bool = False,
    story: Path | None = None,
    opened: bool = True,
    print_url: Print = print,
) -> None:
    """Show one run or two in the browser until Ctrl-C, and follow runs that are being trained."""
    if not 1 <= len(folders) <= len(IDS):
        raise BadRecipe(f"The explorer shows one run or two side by side, not {len(folders)}.")
    if points is not None and points < 1:
        raise BadRecipe(f"The explorer shows at least 1 point, not {points}.")
    markdown = None if story is None else read_story(story)
    tree = partial(run_tree, max_points=points or MAX_POINTS, prior=prior, tiled=points is None)
    runs = [follow_run(folder, id, tree, space) for folder, id in zip(folders, IDS, strict=False)]
    largest = max(max_message_bytes(*run.sizes) for run in runs)
    server = Server(largest, host=host, port=port, token=token, story=markdown)
    preparation = Background(partial(prepare, runs, server), "zatlas-page")
    try:
        print_url(server.url)
        if opened:
            SYSTEM.open_page(server.url)
        preparation.wait()
        while True:
            time.sleep(CHECK_SECONDS)
    except (KeyboardInterrupt, Interrupted) as stopped:
        number = stopped.signal if isinstance(stopped, Interrupted) else signal.SIGINT
        closed = Interrupted("The explorer is closed.", number)
        for handled in (signal.SIGINT, signal.SIGTERM):
            signal.signal(handled, lambda number, _: leave(closed))  # a second signal ends at once
        if not close(runs, server, preparation):
            leave(closed)
        raise closed from None
    except BaseException:
        close(runs, server, preparation)
        raise


def close(runs: Sequence[FollowedRun], server: Server, preparation: Background) -> bool:
    """Stop everything; returns whether all threads have ended."""
    for run in runs:
        run.stopped.set()
    prepared = preparation.ended_within(STOP_SECONDS)
    return server.close() and prepared


def leave(closed: Interrupted) -> NoReturn:
    """End the process even though a thread is still running, for example in a model that does not return."""
    if sys.stderr.isatty():
        sys.stderr.write(SHOW_CURSOR)
    LOG.warning(f"zatlas: {closed}")
    sys.stderr.flush()
    os._exit(128 + closed.signal)


def prepare(runs: Sequence[FollowedRun], server: Server) -> None:
    """Show all runs, release the manifest, and follow the runs."""
    for run in runs:
        show_first(run, server)
    weights = [run.run.weights for run in runs]
    if all(file.exists() and file.stat().st_size < SMALL_WEIGHTS for file in weights):
        torch.set_num_threads(1)  # more threads would wait for each other on a busy core
    server.begin()
    for run in runs:
        if run.light and not run.training_now:
            run.check(server)  # the complete page replaces the quick one
            LOG.info(summary(run.shown_tree.entry))
    server.follow(runs)


def show_first(run: FollowedRun, server: Server) -> None:
    """Show a run for the first time: quickly if its page is not computed yet, and without weights too."""
    training = run.training()
    if training is not None and training["running"]:
        torch.set_num_threads(1)  # leave the other cores to the training
    if run.model_file.exists():
        if run.cold and not run.training_now:
            run.show_quickly(server)
            return
        run.check(server)
        assert run.shown_tree is not None
        LOG.info(summary(run.shown_tree.entry))
        return
    tree = placeholder(run.id, run.run.folder.resolve().name, run.recipe, run.images)
    tree.entry["training"] = run.reported = training
    server.show(tree, None)
    LOG.info(f"{tree.entry['name']}: no weights yet; the page shows them when they exist.")


def summary(entry: dict[str, Any]) -> str:
    """A run and the place where its images are decoded, in one line."""
    decoder = entry["decoder"]
    where = "by this server" if decoder is None else f"in the page ({decoder['bytes'] / 1e6:.1f} MB)"
    return f"{entry['name']}: {entry['summary']}; {entry['count']:,} points; decoded {where}"
