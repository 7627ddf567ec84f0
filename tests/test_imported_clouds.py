"""A decoder that is imported together with latents, such as a mapping's w, works in every command."""

import numpy as np
import pytest
import torch
from torch import nn

from zatlas.cli import main
from zatlas.core.errors import BadData, NotSupported, ShapeError
from zatlas.create import import_model
from zatlas.directions.find import find_directions
from zatlas.locate import locate
from zatlas.sample import fit_prior, sample_latents
from zatlas.workspace import Workspace

ROWS = 600


@pytest.fixture(scope="module")
def latents():
    """Latents of shape (4, 5) that are far from normal: two clusters, away from the origin."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(ROWS, 20)) @ rng.normal(size=(20, 20)) * 0.2 + 5
    return (w + 4 * rng.integers(0, 2, (ROWS, 1))).astype(np.float32).reshape(ROWS, 4, 5)


@pytest.fixture(scope="module")
def run(latents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clouds")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(20, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    program = torch.export.export(net, (torch.zeros(2, 4, 5),), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, folder / "decoder.pt2")
    np.save(folder / "w.npy", latents)
    words = ["import", str(folder / "decoder.pt2"), "--latents", str(folder / "w.npy")]
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_samples_are_rows_of_the_latents(run, latents):
    workspace, rows = Workspace.open(run), latents.reshape(ROWS, 20)
    np.testing.assert_array_equal(sample_latents(workspace, 9), rows[:9])
    np.testing.assert_array_equal(locate(workspace, "7").latent, rows[7:8])
    others = sample_latents(workspace, ROWS, seed=3)
    assert not np.array_equal(others, rows)
    np.testing.assert_allclose(np.sort(others[:, 0]), np.sort(rows[:, 0]))
    half = sample_latents(workspace, 9, temperature=0.5)
    np.testing.assert_allclose(half, rows.mean(axis=0) + (rows[:9] - rows.mean(axis=0)) / 2, atol=1e-5)
    with pytest.raises(NotSupported, match=r"--temperature 0\.7"):
        sample_latents(workspace, 9, truncation=0.7)


def test_charts_directions_and_priors_follow_the_latents(run, latents):
    workspace, rows = Workspace.open(run), latents.reshape(ROWS, 20)
    np.testing.assert_array_equal(workspace.cloud, rows)
    assert workspace.chart("pca").covers(workspace.chart("pca").positions).mean() > 0.9
    assert len(find_directions(workspace, "principal", count=2)) == 2
    assert (workspace.density.relative_distance(rows) < 2).mean() > 0.9
    assert workspace.density.relative_distance(np.zeros((1, 20), np.float32)) > 2
    saved = fit_prior(workspace, "mixture")
    z = saved.prior.sample(2000, seed=0)
    np.testing.assert_allclose(z.mean(axis=0), rows.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(z.std(axis=0), rows.std(axis=0), atol=0.3)


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--count", "4"],
        ["sample", "--count", "4", "--prior", "mixture"],
        ["interpolate", "0", "1"],
        ["chart", "--layout", "pca"],
        ["grid", "--layout", "pca", "--n", "3"],
        ["traverse", "--count", "2"],
        ["scatter"],
        ["prior", "--kind", "mixture"],
    ],
    ids=lambda words: " ".join(words[:1]),
)
def test_every_look_and_move_command_works(words, run, capsys):
    assert main([words[0], str(run), *words[1:]]) == 0, capsys.readouterr().err


def test_latents_of_another_size_are_refused(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros((10, 7), np.float32))
    net = nn.Sequential(nn.Linear(5, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    with pytest.raises((BadData, ShapeError), match="does not take latents of shape 7"):
        import_model(net, tmp_path / "run", latents=tmp_path / "w.npy", verbose=False)
    with pytest.raises(BadData, match="latents of a decoder are a file"):
        import_model(net, tmp_path / "run", latents=tmp_path / "none.npy", verbose=False)


def test_a_decoder_without_any_latents_says_what_is_missing(tmp_path, capsys):
    net = nn.Sequential(nn.Linear(5, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    import_model(net, tmp_path / "run", prior="none")
    assert "--latents w.npy" in capsys.readouterr().err
