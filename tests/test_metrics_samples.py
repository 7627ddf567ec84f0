import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter

from tests.conftest import spots
from zatlas.core.errors import BadRun
from zatlas.create import import_model
from zatlas.data import sources
from zatlas.data.image_dataset import image_dataset
from zatlas.metrics.distances import (
    coverage,
    density,
    entropy,
    frechet,
    kernel_distance,
    mean_distance,
    nearest_ratio,
    precision,
)
from zatlas.metrics.features import dataset_features, principal_pixels, read_features, real_images
from zatlas.metrics.sample_quality import held_out_and_training, memorized, sample_metrics
from zatlas.models.generator import Generator
from zatlas.store.cache import Cache

NEED_IMAGES = {
    "frechet",
    "kernel_distance",
    "precision",
    "recall",
    "density",
    "coverage",
    "memorized",
    "variety",
    "sample_diversity",
}
NEED_CODES = {"posterior_frechet", "reconstruction_frechet"}


def normal(n, d=4, seed=0, mean=0.0, scale=1.0):
    rng = np.random.default_rng(seed)
    return (mean + scale * rng.standard_normal((n, d))).astype(np.float32)


def found(workspace, **settings):
    return {figure.name: figure for figure in sample_metrics(workspace, **settings)}


def giving(workspace, images):
    """The run with a decoder that gives these images in turn, whatever the points."""
    pixels, given = torch.from_numpy(images), {"next": 0}

    def decoder(z, y):
        rows = (torch.arange(len(z)) + given["next"]) % len(pixels)
        given["next"] += len(z)
        return pixels[rows]

    net = Generator(workspace.generator.space, decoder)
    return replace(workspace, generator=net, cache=Cache())


@pytest.fixture(scope="module")
def small_set():
    return sources.load("digits")


# Truths of the statistics


def test_the_frechet_distance_of_two_normals_is_the_closed_form():
    rng = np.random.default_rng(0)
    turn = [np.linalg.qr(rng.standard_normal((5, 5)))[0] for _ in range(2)]
    first, second = (t @ np.diag(rng.uniform(0.2, 3, 5)) @ t.T for t in turn)
    away = np.arange(5) / 2

    def exactly(cov, mean, n=500):
        """Rows whose sample mean and covariance are these to the last digit."""
        rows = rng.standard_normal((n, 5))
        rows -= rows.mean(axis=0)
        white = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T
        return (mean + white @ np.linalg.cholesky(cov).T).astype(np.float32)

    truth = away @ away + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet(exactly(first, 0), exactly(second, away)) == pytest.approx(truth, rel=1e-4)
    assert frechet(normal(50), normal(50)) == pytest.approx(0, abs=1e-6)


def test_the_frechet_distance_of_equal_normals_falls_with_their_number():
    few, many = (frechet(normal(n, seed=1), normal(n, seed=2)) for n in (50, 5000))
    assert 0 < many < few / 20


@pytest.mark.parametrize("mean", [0, 4])  # far from the origin one direction outweighs all others
def test_the_kernel_distance_of_equals_is_zero_within_its_error_and_of_others_is_not(mean):
    scores = []
    for seed in range(40):
        pair = (normal(200, seed=index + seed, mean=mean) for index in (0, 1000))
        value, error = kernel_distance(*pair)
        scores.append(value / error)
    assert abs(np.mean(scores)) < 0.5 and np.mean(np.abs(scores) < 2) >= 0.9
    value, error = kernel_distance(normal(200, mean=mean), normal(200, seed=1, mean=mean + 0.5))
    assert value > 4 * error


def test_the_kernel_distance_is_the_mean_over_pairs_of_different_rows():
    a, b = normal(30, d=3), normal(20, d=3, seed=1, mean=1)

    def k(x, y):
        return (x.astype(float) @ y.T.astype(float) / 3 + 1) ** 3

    own_a, own_b = (k(x, x).sum() - np.trace(k(x, x)) for x in (a, b))
    by_hand = own_a / (30 * 29) + own_b / (20 * 19) - 2 * k(a, b).mean()
    assert kernel_distance(a, b)[0] == pytest.approx(by_hand)


def test_samples_of_half_of_the_modes_are_precise_and_recall_half():
    modes = np.repeat(50 * np.eye(4, dtype=np.float32), 100, axis=0)
    real = modes + normal(400)
    generated = modes[:200][np.tile(np.arange(200), 2)] + normal(400, seed=1)
    assert precision(real, generated).mean() > 0.85
    assert precision(generated, real).mean() == pytest.approx(0.5, abs=0.06)
    assert coverage(real, generated).mean() == pytest.approx(0.5, abs=0.03)


def test_density_and_coverage_of_a_worked_example():
    """Real at 0, 1, 2, 3 and 10: with one neighbour the reaches are 1, 1, 1, 1 and 7."""
    real = np.array([[0], [1], [2], [3], [10]], np.float32)
    generated = np.array([[0.5], [1], [9], [-5]], np.float32)
    # 0.5 is within reach of 0 and 1; 1 of 0, 1 and 2; 9 of 10; -5 of none.
    assert density(real, generated, k=1).tolist() == [2, 3, 1, 0]
    assert precision(real, generated, k=1).tolist() == [1, 1, 1, 0]
    # 0, 1 and 2 have a sample within 1; 3 has none within 1; 10 has one within 7.
    assert coverage(real, generated, k=1).tolist() == [1, 1, 1, 0, 1]


def test_density_of_samples_like_the_real_is_one_and_falls_where_they_stray():
    real = normal(1000)
    assert density(real, normal(1000, seed=1)).mean() == pytest.approx(1, abs=0.1)
    assert density(real, normal(1000, seed=1, scale=3)).mean() < 0.5


def test_the_diversity_is_the_mean_distance_of_pairs():
    rows = np.array([[0, 0], [3, 4], [0, 0]], np.float32)
    assert mean_distance(rows) == pytest.approx(10 / 3, rel=1e-3)


def test_the_entropy_of_even_shares_is_the_logarithm_of_their_number():
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(np.log(8))
    assert entropy(np.array([1.0, 0.0])) == 0


def test_a_copy_is_near_and_a_mean_of_many_is_not():
    train = normal(500, d=20)
    requested = np.concatenate([train[:1], train[:50].mean(axis=0, keepdims=True)])
    total = nearest_ratio(requested, [train])
    assert total[0] == 0 and total[1] > 0.7
    assert nearest_ratio(requested, np.array_split(train, 7)) == pytest.approx(total)


def test_copies_are_memorised_and_held_out_rows_are_not():
    train, held, others = normal(2000), normal(400, seed=1), normal(400, seed=2)
    distance = [nearest_ratio(rows, [train]) for rows in (train[:400] + 1e-3, others, held)]
    copies, baseline = memorized(distance[0], distance[2])
    assert copies.mean() > 0.97 and baseline < 0.12
    assert memorized(distance[1], distance[2])[0].mean() < 0.12


# The feature spaces


def test_a_network_trained_on_labels_reports_its_held_out_accuracy(small_set):
    trained = dataset_features(small_set)
    right = float(trained.about.partition("accuracy ")[2].partition("%")[0])
    assert right > 93 and "held-out images; most frequent label" in trained.about
    rows = trained.features(small_set.images(np.arange(5)))
    assert rows.shape == (5, 128) and rows.dtype == np.float32
    last = [part for part in trained.classifier.function.body.modules() if isinstance(part, torch.nn.Linear)]
    with torch.no_grad():
        answers = last[-1](torch.from_numpy(rows)).softmax(1).numpy()
    assert trained.classifier.predict(small_set.images(np.arange(5))) == pytest.approx(answers, abs=1e-5)


def test_a_feature_network_is_trained_once_per_dataset_and_reproducibly(tmp_path, monkeypatch):
    images = spots(150)
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "one"))
    first = dataset_features(images)
    (file,) = (tmp_path / "one" / "features").iterdir()
    before = file.stat().st_mtime_ns
    dataset_features(images)
    assert file.stat().st_mtime_ns == before
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "two"))
    loaded = dataset_features(images)
    x = images.images(np.arange(10))
    assert np.array_equal(first.features(x), loaded.features(x))


def test_features_use_attributes_without_labels_and_pixels_without_attributes():
    names = spots(60)
    flags = {"left": names.labels == 0, "place": names.labels.astype(np.float32)}
    result = dataset_features(image_dataset("corners", names.pixels, attributes=flags))
    assert "trained on the attributes of corners (mean accuracy" in result.about and "R2" in result.about
    bare = image_dataset("bare", names.pixels)
    assert dataset_features(bare) is None
    pixels = principal_pixels(bare)
    assert pixels.name == "36 principal pixels" and pixels(bare.images(np.arange(3))).shape == (3, 36)


def test_an_onnx_file_is_a_feature_space_named_by_its_digest(digits, tmp_path):
    program = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 6))
    many = torch.export.Dim("n")
    from zatlas.models.onnx_export import _quiet

    with _quiet():
        torch.onnx.export(
            program.eval(),
            (torch.zeros(2, 1, 8, 8),),
            tmp_path / "mine.onnx",
            dynamo=True,
            dynamic_shapes=({0: many},),
            verbose=False,
        )
    features = read_features(tmp_path / "mine.onnx")
    assert features.name.startswith("mine.onnx ") and "SHA-256" in features.about
    figures = found(digits, features=features)
    assert "mine.onnx" in figures["frechet"].about and "FID" not in figures["frechet"].about
    with pytest.raises(BadRun, match="no ONNX file"):
        read_features(tmp_path / "none.onnx")


# Real images, blurred ones, noise, copies: through the public surface


def test_real_halves_are_nearer_than_blurred_and_those_nearer_than_noise(digits, small_set):
    """The baseline is printed: pytest -s."""
    train = small_set.images(small_set.rows("train"))
    noise = np.random.default_rng(0).random(train.shape, dtype=np.float32)
    generated = {"real": train, "blurred": gaussian_filter(train, (0, 0, 1, 1)), "noise": noise}
    figures = {name: found(giving(digits, images)) for name, images in generated.items()}
    frechets = {name: one["frechet"].value for name, one in figures.items()}
    baseline = figures["real"]["frechet"].baseline
    print(json.dumps({"baseline": baseline, **frechets}))
    assert frechets["real"] < 2 * baseline < frechets["blurred"] / 5 < frechets["noise"] / 5
    kernels = [figures[name]["kernel_distance"].value for name in generated]
    assert kernels == sorted(kernels)
    assert figures["real"]["precision"].value > 0.85 > figures["noise"]["precision"].value


def test_copies_of_training_images_are_detected_and_held_out_images_are_not(digits):
    images = digits.dataset
    train, (held, _) = images.images(images.rows("train")), held_out_and_training(images, 2000)
    copied = found(giving(digits, train))["memorized"]
    assert copied.value > 0.97 and copied.baseline < 0.12
    new = found(giving(digits, images.images(held)))["memorized"]
    assert new.value < 0.12


def test_a_generator_of_one_image_has_no_variety_and_covers_nothing(digits):
    figures = found(giving(digits, digits.dataset.images(np.arange(1))))
    assert figures["variety"].value == 0 and figures["sample_diversity"].value < 1e-3
    assert figures["coverage"].value < 0.05 and figures["recall"].value < 0.05
    assert max(figures["variety"].parts.values()) == 1


# Every kind of model


@pytest.mark.slow
def test_every_model_has_the_figures_that_apply(digits, conditional, plain, rival):
    for workspace in (digits, conditional, plain):
        assert set(found(workspace)) == NEED_IMAGES | NEED_CODES
    assert set(found(rival)) == NEED_IMAGES | {"realism"}
    for figure in found(digits).values():
        assert figure.n == 427 and figure.error is not None and figure.baseline is not None
        assert np.isfinite([figure.value, figure.error, figure.baseline]).all()


def test_a_conditional_model_is_sampled_for_every_class(conditional, digits):
    assert found(conditional)["variety"].value > 0.95 > found(digits)["variety"].value


def test_a_fitted_prior_gives_other_samples_and_the_floor_stays(plain):
    own_prior, fitted = found(plain), found(plain, prior="mixture")
    assert own_prior["frechet"].value != fitted["frechet"].value
    assert own_prior["frechet"].baseline == fitted["frechet"].baseline
    assert own_prior["reconstruction_frechet"].value == fitted["reconstruction_frechet"].value


def test_metrics_are_equal_for_equal_seeds(digits):
    assert sample_metrics(digits, seed=3) == sample_metrics(digits, seed=3)


def test_a_model_without_images_has_no_figures_of_samples(rival, tmp_path):

    imported = import_model(rival.generator.decoder, out=tmp_path / "brought", shape=(12,))
    assert real_images(imported) is None and sample_metrics(imported) == []


def test_sets_have_as_many_of_each_and_share_none(small_set):
    held, train = held_out_and_training(small_set, 300)
    assert len(held) == len(train) == 300 and not set(held) & set(train)
    bare = image_dataset("bare", spots(60).pixels, split=np.zeros(60, np.uint8))
    assert not set(held_out_and_training(bare, 300)[0]) & set(held_out_and_training(bare, 300)[1])
