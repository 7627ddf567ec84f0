"""A decoder that takes long for an image: fewer images, progress, and a server that stays responsive."""

import asyncio
import logging
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from zatlas.core import progress
from zatlas.create import import_model
from zatlas.latent.dimension_ranking import MIN_IMAGES, images_to_rank, rank_dimensions
from zatlas.models import decoding_time
from zatlas.sample import sample_latents
from zatlas.server.queues import Decoder, DecodeScheduler, Decoding
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
