"""An explorer in a notebook that is opened while its model trains must show each new model."""

import time

import zatlas
from zatlas.store.run import Run
from zatlas.workspace import Workspace


def check_follows_a_training(kind, folder, monkeypatch):
    """Train, open an explorer after the first saved epoch, and read its manifest after each epoch."""
    monkeypatch.setattr("zatlas.server.follow.CHECK_SECONDS", 0.05)
    monkeypatch.setattr("zatlas.server.follow.RETRY_FACTOR", 0)
    run, states = Run(folder), []

    class Explore(zatlas.Callback):
        shown = None

        def on_epoch_end(self, row):
            if self.shown is None and run.weights.exists():
                self.shown = kind(Workspace.open(run.folder))
            if self.shown is not None:
                states.append(until(lambda: self.state_since(row["epoch"] - 1)))

        def state_since(self, epoch):
            entry = self.shown.manifest()
            training = entry["training"] or {"epoch": -1}
            return training["epoch"] >= epoch and (training["epoch"], training["running"], entry["stamp"])

    explore = Explore()
    try:
        options = {"settings": {"net.widths": [16], "training.preview": 0}, "verbose": False}
        zatlas.train("digits", epochs=6, out=run.folder, callbacks=[explore], **options)
        last = until(lambda: (state := explore.state_since(6)) and not state[1] and state)
    finally:
        if explore.shown is not None:
            explore.shown.close()
    epochs, running, stamps = zip(*states, strict=True)
    assert all(running) and epochs == tuple(sorted(epochs)) and epochs[-1] >= 5
    assert last[2] != stamps[0]  # the page has another model


def until(condition):
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value
