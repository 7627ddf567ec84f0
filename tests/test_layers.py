"""Points with layers, (layers, width): ways that move some of them and leave the rest as they are."""

import numpy as np
import pytest
import torch

from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.space import Space
from zatlas.create import import_model
from zatlas.directions.find import find_directions
from zatlas.directions.fit import closed_form, labels, principal
from zatlas.models.generator import Generator

LAYERS, WIDTH = 4, 8


class Bands(torch.nn.Module):
    """Each layer of a point paints a band of its own in an image of 8x8."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.weight = torch.nn.Parameter(torch.randn(LAYERS, WIDTH, 16))

    def forward(self, z, y=None):
        bands = torch.einsum("nlw,lwp->nlp", z, self.weight) / WIDTH
        return bands.reshape(-1, 1, 8, 8).sigmoid()


@pytest.fixture(scope="module")
def styled():
    return Generator(Space((LAYERS, WIDTH)), Bands().forward)


@pytest.fixture(scope="module")
def latents(styled):
    return styled.space.sample(400, seed=0)


LEARN = {
    "closed form": lambda g, z, **words: closed_form.fit(g, z, count=3, **words),
    "codes": lambda g, z, **words: principal.fit(g, z, count=3, **words),
    "samples": lambda g, z, **words: principal.fit(g, z, count=3, source="samples", samples=600, **words),
    "labels": lambda g, z, **words: labels.fit(
        g, z, flags={"up": z[:, 9] + z[:, 0] > 0, "on": z[:, 2] > 0}, names=("up",), **words
    ),
    "linear, the other held": lambda g, z, **words: labels.fit(
        g,
        z,
        flags={"up": z[:, 9] + z[:, 0] > 0, "on": z[:, 10] > 0},
        names=("up",),
        orthogonal_to=("on",),
        method="linear",
        **words,
    ),
}


@pytest.mark.parametrize("method", LEARN)
@pytest.mark.parametrize(("layers", "first", "last"), [("1-2", 1, 2), (3, 3, 3), ((0, 1), 0, 1), ("1", 1, 1)])
def test_a_way_of_some_layers_changes_only_what_they_paint(method, layers, first, last, styled, latents):
    ways = LEARN[method](styled, latents, layers=layers)
    assert ways
    for direction in ways:
        rows = direction.vector.reshape(LAYERS, WIDTH)
        inside = np.zeros(LAYERS, bool)
        inside[first : last + 1] = True
        assert (rows[~inside] == 0).all() and abs(rows[inside]).max() > 0
        assert np.linalg.norm(rows) == pytest.approx(1, abs=1e-5) and direction.std > 0
        change = styled.decode(direction.move(latents[:5], 2.0)) - styled.decode(latents[:5])
        bands = abs(change).reshape(5, LAYERS, 16).max(axis=2)
        assert (bands[:, ~inside] == 0).all() and bands[:, inside].max() > 1e-3


def test_the_form_of_one_layer_is_that_of_its_own_weights(styled, latents):
    (direction,) = closed_form.fit(styled, latents, count=1, layers=2)
    square = 0.0
    for z in latents[:50]:
        image = styled.decode(z[None]).reshape(LAYERS, 16)[2]
        jacobian = styled.decoder.__self__.weight[2].detach().numpy() * (image * (1 - image))
        square = square + jacobian @ jacobian.T
    best = np.linalg.eigh(square)[1][:, -1]
    assert abs(direction.vector.reshape(LAYERS, WIDTH)[2] @ best) > 0.95


def test_layers_that_are_not_there_are_said(styled, latents):
    for layers in ("2-4", "3-1", 7, (0, 4), (-1, 2)):
        with pytest.raises(BadRecipe, match=r"this model has 4, from 0 to 3"):
            principal.fit(styled, latents, layers=layers)
    with pytest.raises(BadRecipe, match="layers=early names no layers"):
        principal.fit(styled, latents, layers="early")
    flat = Generator(Space((32,)), lambda z, y: z.reshape(-1, 1, 4, 8))
    for learn in (closed_form.fit, principal.fit):
        with pytest.raises(NotSupported, match=r"Points of this model are 32, .*Leave layers out"):
            learn(flat, latents, layers="0-1")
    with pytest.raises(NotSupported, match="local way moves all layers"):
        labels.fit(styled, latents, flags={"up": latents[:, 0] > 0}, method="local", layers="0")


def test_an_atlas_takes_layers_as_a_setting(tmp_path):
    workspace = import_model(Bands(), tmp_path / "run", shape=(LAYERS, WIDTH), verbose=False)
    (direction,) = find_directions(workspace, "closed_form", count=1, layers="0-1")
    assert (direction.vector[2 * WIDTH :] == 0).all()
