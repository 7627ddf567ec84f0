"""Latents of shape (layers, width): directions that move some layers and keep the others."""

import numpy as np
import pytest
import torch

from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.space import Space
from zatlas.create import import_run
from zatlas.directions.find import find_directions
from zatlas.directions.fit import closed_form, labels, principal
from zatlas.models.generator import Generator

LAYERS, WIDTH = 4, 8


class Bands(torch.nn.Module):
    """Each layer of a latent controls a band of its own in an 8x8 image."""

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


METHODS = {
    "closed form": lambda g, z, **settings: closed_form.fit(g, z, count=3, **settings),
    "latents": lambda g, z, **settings: principal.fit(g, z, count=3, **settings),
    "samples": lambda g, z, **settings: principal.fit(
        g, z, count=3, source="samples", samples=600, **settings
    ),
    "labels": lambda g, z, **settings: labels.fit(
        g, z, flags={"up": z[:, 9] + z[:, 0] > 0, "on": z[:, 2] > 0}, names=("up",), **settings
    ),
    "linear, orthogonal to another": lambda g, z, **settings: labels.fit(
        g,
        z,
        flags={"up": z[:, 9] + z[:, 0] > 0, "on": z[:, 10] > 0},
        names=("up",),
        orthogonal_to=("on",),
        method="linear",
        **settings,
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("layers", "first", "last"), [("1-2", 1, 2), (3, 3, 3), ((0, 1), 0, 1), ("1", 1, 1)])
def test_a_direction_of_some_layers_changes_only_their_part_of_the_image(
    method, layers, first, last, styled, latents
):
    directions = METHODS[method](styled, latents, layers=layers)
    assert directions
    for direction in directions:
        rows = direction.vector.reshape(LAYERS, WIDTH)
        inside = np.zeros(LAYERS, bool)
        inside[first : last + 1] = True
        assert (rows[~inside] == 0).all() and abs(rows[inside]).max() > 0
        assert np.linalg.norm(rows) == pytest.approx(1, abs=1e-5) and direction.std > 0
        change = styled.decode(direction.move(latents[:5], 2.0)) - styled.decode(latents[:5])
        bands = abs(change).reshape(5, LAYERS, 16).max(axis=2)
        assert (bands[:, ~inside] == 0).all() and bands[:, inside].max() > 1e-3


def test_the_closed_form_of_one_layer_uses_its_own_weights(styled, latents):
    (direction,) = closed_form.fit(styled, latents, count=1, layers=2)
    square = 0.0
    for z in latents[:50]:
        image = styled.decode(z[None]).reshape(LAYERS, 16)[2]
        jacobian = styled.decoder.__self__.weight[2].detach().numpy() * (image * (1 - image))
        square = square + jacobian @ jacobian.T
    best = np.linalg.eigh(square)[1][:, -1]
    assert abs(direction.vector.reshape(LAYERS, WIDTH)[2] @ best) > 0.95


def test_layers_that_do_not_exist_are_refused(styled, latents):
    for layers in ("2-4", "3-1", 7, (0, 4), (-1, 2)):
        with pytest.raises(BadRecipe, match=r"this model has 4, from 0 to 3"):
            principal.fit(styled, latents, layers=layers)
    with pytest.raises(BadRecipe, match="layers=early names no layers"):
        principal.fit(styled, latents, layers="early")
    flat = Generator(Space((32,)), lambda z, y: z.reshape(-1, 1, 4, 8))
    for fit in (closed_form.fit, principal.fit):
        with pytest.raises(
            NotSupported, match=r"latents of this model have the shape \(32\)\. .*Leave layers out"
        ):
            fit(flat, latents, layers="0-1")
    with pytest.raises(NotSupported, match="method local moves all layers"):
        labels.fit(styled, latents, flags={"up": latents[:, 0] > 0}, method="local", layers="0")


def test_find_directions_takes_layers_as_a_setting(tmp_path):
    workspace = import_run(Bands(), tmp_path / "run", shape=(LAYERS, WIDTH), show=False)
    (direction,) = find_directions(workspace, "closed_form", count=1, layers="0-1")
    assert (direction.vector[2 * WIDTH :] == 0).all()
