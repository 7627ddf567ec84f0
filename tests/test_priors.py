"""Priors fitted after training: their densities held to known ones, and what the run keeps of them."""

import json
import shutil

import numpy as np
import pytest
import torch

from tests.conform import conforms
from tests.conftest import small_run, spots
from zatlas.cli import main
from zatlas.core.errors import BadData, BadRecipe, Damaged, NotSupported, ShapeError, UnknownName
from zatlas.core.space import Space
from zatlas.latent.priors import (
    FlowPrior,
    PriorDescription,
    SavedPrior,
    check_latents,
    load_prior,
    save_prior,
)
from zatlas.latent.sampling import Mixture, fit_mixture
from zatlas.locate import locate_all
from zatlas.sample import find_prior, fit_prior, sample_latents, saved_prior
from zatlas.site import run_tree
from zatlas.site.export import export
from zatlas.store import atomic
from zatlas.training.flow_training import fit_flow
from zatlas.workspace import Workspace

RING, WIDTH = 2.0, 0.15


def ring(n, seed):
    """Points around a circle."""
    rng = np.random.default_rng(seed)
    turn = 2 * np.pi * rng.random(n)
    on = RING * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return (on + WIDTH * rng.standard_normal((n, 2))).astype(np.float32)


def ring_log_density(z):
    """The same by adding up a fine polygon of normal distributions."""
    turn = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    on = RING * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    square = ((z[:, None] - on) ** 2).sum(axis=2)
    each = np.exp(-0.5 * square / WIDTH**2) / (2 * np.pi * WIDTH**2)
    return np.log(each.mean(axis=1))


@pytest.fixture(scope="module")
def rings():
    """A flow and a mixture of the ring."""
    latents = ring(4000, 0)
    flow = FlowPrior(fit_flow(latents, steps=500, show=False))
    return {"flow": flow, "mixture": fit_mixture(latents)}


@pytest.mark.parametrize("kind", [pytest.param("flow", marks=pytest.mark.slow), "mixture"])
def test_a_density_sums_up_to_one(rings, kind):
    marks = np.linspace(-4, 4, 321, dtype=np.float32)
    grid = np.stack(np.meshgrid(marks, marks), axis=-1).reshape(-1, 2)
    mass = np.exp(rings[kind].log_density(grid)).sum() * (marks[1] - marks[0]) ** 2
    assert mass == pytest.approx(1, abs=0.01)


def test_a_fitted_prior_comes_near_a_ring_and_a_normal_distribution_does_not(rings):
    held = ring(1000, 1)
    truth = ring_log_density(held).mean()
    normal = fit_mixture(ring(4000, 0), components=1).log_density(held).mean()
    assert truth - normal > 1.4
    for kind, short in ("flow", 0.25), ("mixture", 0.25):
        assert truth - short < rings[kind].log_density(held).mean() <= truth + 0.02, kind
    for prior in rings.values():
        radius = np.linalg.norm(prior.sample(1000, seed=0), axis=1)
        assert (np.abs(radius - RING) < 4 * WIDTH).mean() > 0.9


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 64])
def test_a_flow_goes_there_and_back(dim):
    z = np.sin(2 * Space((dim,)).sample(600, seed=0)).cumsum(axis=1).astype(np.float32)
    flow = fit_flow(z, steps=60, show=False)
    with torch.no_grad():
        noise, _ = flow(torch.from_numpy(z))
        back = flow.inverse(noise).numpy()
        far = torch.linspace(-40, 40, 9)[:, None].repeat(1, dim)
        there = flow.inverse(flow(far)[0])
    np.testing.assert_allclose(back, z, atol=1e-4 * max(1, float(np.abs(z).max())))
    np.testing.assert_allclose(there, far, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("dim", [1, 3])
def test_a_flow_s_density_has_the_room_that_its_slope_says(dim):
    z = np.sin(2 * Space((dim,)).sample(400, seed=0)).astype(np.float32)
    flow = fit_flow(z, steps=60, show=False).double()
    point = torch.from_numpy(z[:5].astype(np.float64))
    folder = flow(point)[1].detach()
    for i in range(5):
        gradient = torch.autograd.functional.jacobian(lambda x: flow(x[None])[0][0], point[i])
        assert float(torch.linalg.slogdet(gradient)[1]) == pytest.approx(float(folder[i]), abs=1e-6)


def test_one_axis_has_a_flow_too():
    rng = np.random.default_rng(0)
    heaps = (np.where(rng.random(4000) < 0.3, -3, 2) + 0.4 * rng.standard_normal(4000))[:, None]
    latents = heaps.astype(np.float32)
    flow = FlowPrior(fit_flow(latents[:3000], steps=400, show=False))
    normal = fit_mixture(latents[:3000], components=1)
    held = latents[3000:]
    assert flow.log_density(held).mean() > normal.log_density(held).mean() + 0.5
    sampled = flow.sample(2000, seed=0)
    assert (sampled < -1).mean() == pytest.approx(0.3, abs=0.05)


def test_many_axes_with_few_codes_are_no_worse_than_a_normal_distribution():
    latents = Space((512,)).sample(300, seed=0)
    flow = FlowPrior(fit_flow(latents, steps=4, show=False))
    held = Space((512,)).sample(200, seed=1)
    exact = Mixture(np.ones(1, np.float32), np.zeros((1, 512), np.float32), np.ones((1, 512), np.float32))
    assert flow.log_density(held).mean() > exact.log_density(held).mean() - 20
    assert flow.sample(3, seed=0).shape == (3, 512)


def test_a_mixture_s_density_is_that_of_its_components():
    mixture = fit_mixture(ring(600, 0), components=3)
    z = ring(5, 1)
    each = []
    for weight, mean, factor in zip(mixture.weights, mixture.means, mixture.factors, strict=True):
        std = (factor @ factor.T).astype(np.float64)
        away = z - mean
        square = np.einsum("ni,ij,nj->n", away, np.linalg.inv(std), away)
        each.append(weight * np.exp(-0.5 * square) / (2 * np.pi * np.sqrt(np.linalg.det(std))))
    np.testing.assert_allclose(mixture.log_density(z), np.log(np.sum(each, axis=0)), atol=1e-3)


@pytest.mark.parametrize("kind", ["flow", "mixture"])
def test_the_seed_decides_the_samples(rings, kind):
    prior = rings[kind]
    first = prior.sample(50, seed=3)
    np.testing.assert_array_equal(first, prior.sample(50, seed=3))
    assert (first != prior.sample(50, seed=4)).any()
    assert len(np.unique(prior.sample(50, seed=0, temperature=0).round(4), axis=0)) <= 10
    with pytest.raises(BadRecipe, match="temperature"):
        prior.sample(1, seed=0, temperature=-1)
    with pytest.raises(ShapeError):
        prior.sample(0, seed=0)


def test_a_temperature_scales_the_noise(rings):
    flow, mixture = rings["flow"], rings["mixture"]
    with torch.no_grad():
        hot, cold = (
            flow.flow(torch.from_numpy(flow.sample(50, seed=0, temperature=t)))[0].numpy() for t in (1, 0.3)
        )
    np.testing.assert_allclose(cold, 0.3 * hot, atol=1e-3)
    hot, cold, center = (mixture.sample(50, seed=0, temperature=t) for t in (1, 0.3, 0))
    np.testing.assert_allclose(cold - center, 0.3 * (hot - center), atol=1e-5)


def test_the_same_seed_fits_the_same_flow():
    latents = ring(300, 0)
    one, two, other = (fit_flow(latents, steps=20, seed=s, show=False).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_codes_without_a_density_are_refused():
    with pytest.raises(BadData, match="at least 2 latents"):
        check_latents(np.zeros((1, 3), np.float32), None)
    holed = ring(30, 0)
    holed[4, 1] = np.nan
    with pytest.raises(BadData, match=r"1 of 30 latents .* curves\.png"):
        check_latents(holed, None)


@pytest.mark.parametrize("n", [2, 3, 40])
def test_codes_that_are_all_the_same_have_a_prior_at_that_place(n):
    latents = np.full((n, 4), 7, np.float32)
    for prior in FlowPrior(fit_flow(latents, show=False)), fit_mixture(latents):
        sampled = prior.sample(20, seed=0)
        np.testing.assert_allclose(sampled, 7, atol=0.1)
        assert np.isfinite(prior.log_density(latents)).all()


# In a run


@pytest.fixture(scope="module")
def fitted(plain, tmp_path_factory):
    """An auto-encoder's run with both priors, in a folder of its own."""
    folder = tmp_path_factory.mktemp("priors") / "run"
    shutil.copytree(plain.run.folder, folder)
    workspace = Workspace.open(folder)
    for kind in ("mixture", "flow"):
        fit_prior(workspace, kind, steps=120, show=False)
    return workspace


@pytest.mark.parametrize("kind", ["mixture", "flow"])
def test_a_prior_comes_back_from_its_file_to_the_bit(fitted, kind):
    before = saved_prior(fitted, kind)
    assert before.path == fitted.run.folder / "priors" / f"{kind}.safetensors"
    after = load_prior(before.path, fitted.digest, fitted.data[1])
    assert after.description == before.description
    for seed in (0, 1):
        np.testing.assert_array_equal(after.prior.sample(20, seed=seed), before.prior.sample(20, seed=seed))
    z = fitted.latents("test")
    np.testing.assert_array_equal(after.prior.log_density(z), before.prior.log_density(z))
    loaded = save_prior(SavedPrior(after.prior, after.description, before.path.with_name("again")))
    assert loaded.read_bytes() == before.path.read_bytes()
    loaded.unlink()


def test_a_prior_fits_codes_that_it_has_not_seen_better_than_one_normal_distribution(fitted):
    for kind in ("mixture", "flow"):
        facts = saved_prior(fitted, kind).description
        assert facts.nats > facts.own_prior + 0.1
        assert facts.latents == len(fitted.rows("train")) and facts.held_out == len(fitted.rows("test"))


def test_samples_of_a_fitted_prior_are_nearer_to_the_data(fitted):
    lonely = {
        prior: (fitted.density.relative_distance(sample_latents(fitted, 600, prior=prior)) > 2).mean()
        for prior in ("model", "mixture", "flow")
    }
    assert lonely["mixture"] < lonely["model"] and lonely["flow"] < lonely["model"]


def test_a_prior_of_other_weights_is_fitted_again(fitted, digits, tmp_path):
    path = saved_prior(fitted, "mixture").path
    assert load_prior(path, digits.digest, digits.data[1]) is None
    assert load_prior(path, fitted.digest, "other images") is None
    shutil.copytree(digits.run.folder, tmp_path / "run")
    other = Workspace.open(tmp_path / "run")
    atomic.write_file(other.run.path("priors", path.name), path.read_bytes())
    assert find_prior(other, "mixture") is None
    sample_latents(other, 3, prior="mixture")
    assert find_prior(Workspace.open(tmp_path / "run"), "mixture").description.model == other.digest


def test_a_prior_is_kept_for_later_commands(fitted):
    opened = Workspace.open(fitted.run.folder)
    when = {kind: saved_prior(fitted, kind).path.stat().st_mtime_ns for kind in ("mixture", "flow")}
    for kind, before in when.items():
        np.testing.assert_array_equal(
            sample_latents(opened, 9, seed=2, prior=kind), sample_latents(fitted, 9, seed=2, prior=kind)
        )
        assert saved_prior(opened, kind).path.stat().st_mtime_ns == before
    anchors = locate_all(opened, ["flow", "flow", "mixture:4"])
    assert (anchors[0].latent != anchors[1].latent).any()
    np.testing.assert_array_equal(anchors[2].latent, sample_latents(fitted, 5, prior="mixture")[4:])


def test_a_file_that_is_no_prior_is_told_so(fitted, tmp_path):
    from zatlas.store import tensors

    facts = PriorDescription("flow", fitted.digest, fitted.data[1], 9, 0, 9, 0.0, 0.0)
    about = json.dumps({"format": 1, **vars(facts), "width": 8, "couplings": 2})
    path = tensors.write(tmp_path / "x", "zatlas-prior", about, {"mean": np.zeros(2)})
    with pytest.raises(Damaged, match="does not contain the prior"):
        load_prior(path, fitted.digest, fitted.data[1])


def test_models_without_codes_and_kinds_that_are_not_there_are_refused(rival, digits):
    with pytest.raises(NotSupported, match="--train-encoder"):
        fit_prior(rival, "mixture")
    with pytest.raises(UnknownName, match="Did you mean 'flow'"):
        fit_prior(digits, "flwo")


def test_a_conditional_model_has_one_prior_for_all_classes(conditional):
    saved = fit_prior(conditional, "mixture")
    assert saved.description.latents == len(conditional.rows("train"))
    assert saved.prior.sample(5, seed=0).shape == (5, conditional.dim)


def test_the_command_keeps_a_prior_and_says_how_well_it_fits(fitted, capsys):
    assert main(["prior", str(fitted.run.folder), "--kind", "mixture"]) == 0
    out, output = capsys.readouterr()
    assert out.strip() == str(fitted.run.folder / "priors" / "mixture.safetensors")
    assert "a normal distribution of the latents" in output and "mixture fitted to" in output
    assert (fitted.run.gallery / "samples-priors.png").exists()
    assert main(["sample", str(fitted.run.folder), "--prior", "flow", "--count", "4"]) == 0
    assert capsys.readouterr().out.strip().endswith("samples-flow.png")


def test_a_prior_of_few_codes_is_told_to_be_chance(tmp_path, own_cache, capsys):
    np.savez(tmp_path / "few.npz", x_train=spots(10).pixels[:, 0])
    run = small_run(tmp_path / "run", tmp_path / "few.npz", epochs=1)
    assert main(["prior", str(run.run.folder), "--kind", "mixture"]) == 0
    assert "few to fit a density" in capsys.readouterr().err


@pytest.mark.slow
def test_a_page_has_the_prior_that_it_is_asked_for(fitted):
    bare, tree = run_tree(fitted, max_points=50), run_tree(fitted, max_points=50, prior="flow")
    conforms([bare, tree])
    assert bare.entry["fitted_prior"] is None
    result = tree.entry["fitted_prior"]
    data = tree.files[result["url"]]()
    assert data == saved_prior(fitted, "flow").path.read_bytes() and result["bytes"] == len(data)
    assert result["kind"] == "flow" and result["log_density"] > result["model_log_density"]
    assert tree.entry["stamp"] != bare.entry["stamp"]


@pytest.mark.slow
def test_an_export_has_it_too(fitted, tmp_path):
    export([fitted], tmp_path / "site", points=50, prior="mixture")
    file = tmp_path / "site" / "data" / "a" / "prior-mixture.safetensors"
    assert file.read_bytes() == saved_prior(fitted, "mixture").path.read_bytes()
