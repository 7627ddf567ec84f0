"""A decoder that takes long for an image: fewer images, progress, and a server that stays responsive."""

import asyncio
import json
import logging
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tests import stylegan_files
from tests.serving import FILES, Page, get
from tests.stylegan_files import Case
from zatlas.core import progress
from zatlas.create import import_model
from zatlas.latent.chart import Chart
from zatlas.latent.dimension_ranking import MIN_IMAGES, images_to_rank, rank_dimensions
from zatlas.models import decoding_time
from zatlas.models.importers.imported import Adapter
from zatlas.sample import sample_latents
from zatlas.server.background import Background
from zatlas.server.follow import follow_run
from zatlas.server.queues import Decoder, DecodeScheduler, Decoding
from zatlas.server.serve import Server
from zatlas.server.session import prepare
from zatlas.site import run_tree
from zatlas.workspace import MIN_DECODED, Workspace


class Slow(nn.Module):
    """A decoder that takes some milliseconds for each image."""

    seconds = 0.0005

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.linear = nn.Linear(6, 64)

    def forward(self, z):
        time.sleep(self.seconds * len(z))
        return self.linear(z.tanh()).sigmoid().reshape(-1, 1, 8, 8)


@pytest.fixture
def slow(tmp_path):
    net = Slow()
    return import_model(lambda z: net(z), tmp_path / "run", shape=(6,), verbose=False)


def test_a_chart_of_a_slow_decoder_uses_fewer_samples_and_keeps_their_number(slow, monkeypatch, caplog):
    monkeypatch.setattr(decoding_time, "BUDGET_SECONDS", 0.02)
    with caplog.at_level(logging.INFO, logger="zatlas"):
        chart = slow.chart("pca")
    assert len(chart.latents) == MIN_DECODED and "The decoder is slow" in caplog.text
    monkeypatch.setattr(decoding_time, "BUDGET_SECONDS", 1e9)  # a quicker machine does not change the chart
    again = Workspace(slow.run, slow.description, slow.generator).chart("pca", seed=1)
    assert len(again.latents) == MIN_DECODED


def test_dimensions_of_a_slow_decoder_are_ranked_with_fewer_images(slow, monkeypatch):
    monkeypatch.setattr(decoding_time, "BUDGET_SECONDS", 0.001)
    images = []
    generator = slow.generator
    decode = generator.decoder

    def counting(z, y=None):
        images.append(len(z))
        return decode(z, y)

    order, change = rank_dimensions(replace(generator, decoder=counting), slow.samples)
    assert sum(images) <= MIN_IMAGES + decoding_time.TIMED_IMAGES + 1
    assert len(order) == 6 and (np.diff(change) <= 0).all()


def test_progress_appears_only_when_decoding_is_slow(slow, monkeypatch, caplog):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.01)
    with caplog.at_level(logging.INFO, logger="zatlas"):
        slow.decode(slow.samples[:32])
        assert "decoding" not in caplog.text
        monkeypatch.setattr(progress, "LATE_SECONDS", 0.0)
        slow.decode(slow.samples[:600])
    assert "decoding: " in caplog.text and "of 600 images" in caplog.text


def test_the_newest_request_does_not_wait_for_a_long_one():
    """Of 30 images at 20 ms, a request for one image that comes later is answered among the first."""
    done = []

    def decode(z, labels):
        time.sleep(0.02 * len(z))
        done.extend(z[:, 0].tolist())
        return np.zeros((len(z), 1, 1, 1), np.uint8)

    async def both():
        queue, decoder = DecodeScheduler("test", 5.0), Decoder(decode)
        loop = asyncio.get_running_loop()
        working = asyncio.create_task(queue.run())
        long = Decoding("page", "samples", loop.create_future(), decoder, np.zeros((30, 1), np.float32), None)
        queue.add(long)
        await asyncio.sleep(0.05)
        newest = Decoding("page", "hover", loop.create_future(), decoder, np.ones((1, 1), np.float32), None)
        queue.add(newest)
        await newest.answer
        before = len(done)
        await long.answer
        working.cancel()
        queue.close()
        return before

    assert asyncio.run(both()) <= 6 and len(done) == 31


def test_the_time_of_an_image_leaves_out_what_a_decoder_does_once(slow, monkeypatch):
    monkeypatch.setattr(decoding_time, "MAX_FIRST_SECONDS", 0.05)
    decode, calls = slow.generator.decoder, []

    def prepared(z, y=None):
        time.sleep(0 if calls else 0.3)
        calls.append(len(z))
        return decode(z, y)

    generator = replace(slow.generator, decoder=prepared)
    seconds = decoding_time.seconds_per_image(generator, np.zeros((8, 6), np.float32))
    assert seconds < 0.2 and calls == [1, 1]


def test_the_announced_images_of_a_ranking_are_those_that_it_decodes(slow, monkeypatch):
    monkeypatch.setattr(decoding_time, "BUDGET_SECONDS", 1e9)
    decode, calls = slow.generator.decoder, []

    def counted(z, y=None):
        calls.append(len(z))
        return decode(z, y)

    latents = sample_latents(Workspace(slow.run, slow.description, slow.generator), 40)
    announced = images_to_rank(slow.generator, latents[:4], None, len(latents))
    monkeypatch.setattr("zatlas.latent.dimension_ranking.affordable", lambda limit, *_: limit)
    rank_dimensions(replace(slow.generator, decoder=counted), latents)
    assert sum(calls) == announced


@pytest.mark.slow
@pytest.mark.parametrize("space", ["z", "w"])
def test_the_page_of_a_decoder_that_never_answers_opens_with_samples(space, tmp_path, monkeypatch):
    """The thread that makes the page may decode nothing before the page opens; the map then replaces it."""
    source = stylegan_files.write(Case("ada", widths=(16, 8)), tmp_path)
    folder = import_model(source, tmp_path / "run", verbose=False).run.folder
    decode, released = Adapter.decode, threading.Event()

    def waiting(adapter, z, y=None):
        if threading.current_thread().name == "zatlas-page":
            assert released.wait(60)
        return decode(adapter, z, y)

    monkeypatch.setattr(Adapter, "decode", waiting)
    run = follow_run(folder, "a", partial(run_tree, max_points=300), space)
    server = Server(1 << 20, port=0, files=FILES)
    preparation = Background(partial(prepare, [run], server), "zatlas-page")
    try:
        (quick,) = json.loads(get(server.url, "/data/manifest.json")[2])["runs"]
        assert [chart["name"] for chart in quick["charts"]] == ["pca"] and quick["count"] == 300
        assert quick["notice"].startswith("This is a PCA of some samples.") and quick["space"] == space
        with Page(server.url) as page:
            z = sample_latents(run.workspace(), 2)
            assert page.request("decode", z.tobytes(), n=2)[0]["shape"] == [2, 3, 8, 8]
        released.set()
        preparation.wait()
        (complete,) = json.loads(get(server.url, "/data/manifest.json")[2])["runs"]
        assert complete["charts"][0]["name"] == "grid_umap" and "notice" not in complete
    finally:
        released.set()
        run.stopped.set()
        server.close()


def test_the_map_of_a_page_of_a_slow_decoder_uses_fewer_samples(slow, monkeypatch):
    monkeypatch.setattr(decoding_time, "BUDGET_SECONDS", 0.02)
    tree = run_tree(slow, max_points=600)
    assert tree.entry["count"] == 600 and len(tree.entry["charts"]) == 2
    charts = [Chart.load(path) for path in slow.folder("charts").glob("page-*.safetensors")]
    assert [len(chart.latents) for chart in charts] == [MIN_DECODED, MIN_DECODED]
