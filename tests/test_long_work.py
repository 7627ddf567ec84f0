"""Long work says beforehand how long it takes, prints lines outside a terminal, and takes fewer samples."""

import json
import re
import time

import numpy as np
import pytest
import torch

from zatlas.cli import main
from zatlas.core import progress
from zatlas.core.space import Space
from zatlas.directions.fit import closed_form, predictor, transform, unsupervised
from zatlas.models.classifier import Classifier
from zatlas.models.decoding_time import announce_decoding
from zatlas.models.generator import Generator

LIGHT = Classifier(("light",), lambda images: images.mean(dim=(1, 2, 3))[:, None], ("number",))
LATENTS = Space((4,)).sample(300, seed=0)


class Counted:
    """A decoder of 8 x 8 images that counts them; each takes some seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.images, self.seconds = 0, seconds
        self.weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))

    def __call__(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        self.images += len(z)
        time.sleep(self.seconds * len(z))
        return torch.sigmoid(z @ self.weight).reshape(-1, 1, 8, 8)


def generator(decoder: Counted) -> Generator:
    return Generator(Space((4,)), decoder)


def test_a_task_outside_a_terminal_prints_a_line_every_few_seconds(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    with progress.bar("reading", 2000) as advance:
        advance(500)
        time.sleep(0.1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2 and all(line.startswith("reading: 500 of 2,000 images in") for line in lines)
    assert all(line.endswith(" s left") for line in lines)


def test_only_the_inner_of_two_tasks_prints_lines(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    with progress.bar("outer", 3, "parts"), progress.bar("inner", 4):
        time.sleep(0.07)
    assert {line.split(":")[0] for line in capsys.readouterr().err.splitlines()} == {"inner"}


def test_a_task_that_is_not_shown_and_a_short_task_print_nothing(monkeypatch, capsys):
    with progress.bar("reading", 10) as advance:
        advance(10)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    with progress.bar("reading", 10, show=False):
        time.sleep(0.03)
    announce_decoding("Fitting zoom", 1000, generator(Counted()), LATENTS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12, "12 s"), (89, "89 s"), (150, "2 minutes"), (720, "12 minutes"), (9000, "2.5 hours")],
)
def test_a_duration_is_given_in_a_suitable_unit(seconds, text):
    assert progress.duration(seconds) == text


def test_the_time_of_a_slow_decoder_is_measured_and_announced(capsys):
    """3,000 images of 10 ms each take at least 30 s; the measurement takes a tenth of a second."""
    announce_decoding("Fitting zoom", 3000, generator(Counted(seconds=0.01)), LATENTS)
    text = capsys.readouterr().err
    number, unit = re.match(r"Fitting zoom takes about ([\d.]+) (s|minutes)\.", text).groups()
    assert float(number) >= 30 or unit == "minutes"
    assert "--samples N (in Python: samples=) takes fewer images." in text
    assert 29 < float(text.removeprefix("Fitting zoom takes about ").split()[0]) < 45


@pytest.mark.parametrize(
    ("fit", "settings"),
    [
        (transform.fit, {"names": ["brightness"]}),
        (predictor.fit, {"classifier": LIGHT}),
        (unsupervised.fit, {"count": 2}),
        (closed_form.fit, {"source": "metric"}),
    ],
)
def test_a_method_that_takes_fewer_samples_decodes_fewer_images(fit, settings):
    decoded = []
    for samples in (24, 2400):
        decoder = Counted()
        fit(generator(decoder), LATENTS, samples=samples, **settings)
        decoded.append(decoder.images)
    assert decoded[0] < 0.75 * decoded[1]


FEW = ["--samples", "20", "--out", "{out}"]


@pytest.mark.parametrize(
    ("words", "task"),
    [
        (["directions", "find", "{run}", "transform", "brightness", *FEW], "Fitting brightness"),
        (["directions", "find", "{run}", "unsupervised", "--set", "count=2", *FEW], "Fitting 2 directions"),
        (
            ["directions", "find", "{run}", "closed_form", "--set", "source=metric", *FEW],
            "Computing Jacobians",
        ),
        (["directions", "evaluate", "{run}", "3", *FEW], "The evaluation"),
        (["evaluate", "{run}", "--only", "samples", *FEW], "Decoding images of wide"),
        (["compare", "{run}", "{other}", *FEW], "Decoding images of wide"),
        pytest.param(
            ["export", "{run}", "{out}"], "Decoding images for the page of wide", marks=pytest.mark.slow
        ),
    ],
)
def test_a_command_says_beforehand_how_long_it_takes(
    wide, digits, tmp_path, monkeypatch, capsys, words, task
):
    monkeypatch.setattr(progress, "LONG_SECONDS", 0.0)
    places = {"run": wide.run.folder, "other": digits.run.folder, "out": tmp_path / "out"}
    assert main([word.format(**places) for word in words]) == 0
    assert f"{task} takes about" in capsys.readouterr().err


@pytest.mark.parametrize("samples", ["0", "-5", "19"])
def test_too_few_samples_are_refused(wide, capsys, samples):
    for words in (["directions", "evaluate", "{run}", "3"], ["evaluate", "{run}"]):
        words = [word.format(run=wide.run.folder) for word in words]
        assert main([*words, "--samples", samples]) == 2
        assert "--samples must be 20 or more" in capsys.readouterr().err


def test_an_evaluation_of_fewer_samples_says_how_many_it_used(wide, tmp_path, capsys):

    out = str(tmp_path / "report.html")
    assert main(["evaluate", str(wide.run.folder), "--only", "samples", "--samples", "40", "--out", out]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert metrics["frechet"]["n"] == 40 and np.isfinite(metrics["frechet"]["value"])
