"""What two processes do for test_distributed.py: `torchrun ... -m tests.pair SOURCE FOLDER`."""

import atexit
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import recipe
from zatlas.core.errors import BadRecipe, Diverged, Interrupted
from zatlas.core.registry import MODELS
from zatlas.data import sources
from zatlas.models.gan import GANConfig
from zatlas.training.callbacks import Callback
from zatlas.training.loop import fit, resume


class Duel(GANConfig):
    """A family of another package whose models have two players."""


KINDS = {
    "vae": {"model": {"family": "vae", "samples": 2}, "training": {"flip": True, "average": 0.9}},
    "gan": {"model": {"family": "duel"}, "training": {"average": 0.9}},
    "fsdp": {
        "model": {"family": "vae", "likelihood": "gaussian"},
        "training": {"strategy": "fsdp", "average": 0.9, "clip": 50.0},
    },
}


def recipe_of(kind, source, **training):
    """Batches of 29 images: two processes have one more and one less, and the last has few."""
    result = KINDS[kind]
    default = {"epochs": 3, "batch": 29, "precision": "32-true"}
    training = {**default, **result["training"], **training}
    family = result["model"]["family"]
    return recipe(family, data={"source": source}, model=result["model"], training=training)


class Noting(Callback):
    """Records messages, and the weights of this process after each epoch."""

    def __init__(self, action=lambda step, learner: None):
        self.deed, self.states, self.messages = action, {}, []

    def on_train_start(self, run, recipe, images, learner):
        self.learner = learner

    def on_step_end(self, step, images, terms):
        self.deed(step, self.learner)

    def on_epoch_end(self, row):
        for name, tensor in self.learner.net.state_dict().items():
            self.states[f"{row['epoch']}.{name}"] = tensor.clone()

    def on_message(self, line):
        self.messages.append(line)


def told_to_stop(step, learner):
    """One of the two hears of it, in the middle of an epoch."""
    if step == 6 and learner.fabric.global_rank == 1:
        os.kill(os.getpid(), signal.SIGTERM)


def spoilt(step, learner):
    """The weights of one of the two are no numbers any more."""
    if step == 2 and learner.fabric.global_rank == 1:
        with torch.no_grad():
            next(learner.net.parameters()).fill_(float("nan"))


def note_threads(folder):
    """What is still at work in this process when Python is about to end."""
    names = sorted((task / "comm").read_text() for task in Path("/proc/self/task").iterdir())
    (folder / f"threads-{os.environ['RANK']}").write_text("".join(names))


def main(source, folder):
    MODELS.add("duel", Duel)
    atexit.register(note_threads, folder)  # the first is called last
    torch.set_num_threads(1)
    images = sources.load(source)
    for kind in KINDS:
        settings, noting = recipe_of(kind, source), Noting()
        fit(settings, images, folder / kind, [noting])
        rank = noting.learner.fabric.global_rank
        assert noting.learner.fabric.world_size == 2
        if kind != "fsdp":
            save_file(noting.states, folder / f"{kind}-{rank}.safetensors")
        half = folder / f"{kind}-half"
        with pytest.raises(Interrupted, match="SIGTERM at step 6"):
            fit(settings, images, half, [Noting(told_to_stop)])
        if rank == 0:
            shutil.copytree(half, folder / f"{kind}-alone")
        resume(half)
    with pytest.raises(Diverged, match="step 3"):
        fit(recipe_of("vae", source, save_steps=2), images, folder / "spoilt", [Noting(spoilt)])
    gan = recipe_of("gan", source)
    with pytest.raises(BadRecipe, match="in turns"):
        pieces = replace(gan.training, strategy="fsdp")
        fit(replace(gan, training=pieces), images, folder / "never")
    (folder / f"done-{rank}").touch()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
