"""Run these tests in your own package: `pytest`."""

import numpy as np
import pytest

from zatlas import testing


@pytest.mark.parametrize("check", testing.MODEL_CHECKS)
def test_the_model(check):
    check(testing.described("sparse-ae", "one-layer"))


def test_the_dataset():
    testing.check_dataset("rings", count=50)


def test_the_net():
    testing.check_net("one-layer")


def test_the_layout():
    testing.check_layout("widest", scale=2.0)


def test_the_direction_method():
    testing.check_direction_method("brightness", samples=100)


def test_the_importer(tmp_path):
    images = np.random.default_rng(0).random((50, 8, 8))
    mean = images.mean(axis=0)
    _, sizes, rows = np.linalg.svd((images - mean).reshape(50, 64), full_matrices=False)
    components, std = rows[:3].reshape(3, 8, 8), sizes[:3] / np.sqrt(50)
    np.savez(tmp_path / "pca.npz", mean=mean, components=components, std=std)
    testing.check_importer("pca", tmp_path / "pca.npz")


def test_the_metric():
    testing.check_metric("brightness")


def test_the_figure():
    testing.check_figure("brightness")


def test_the_callback():
    testing.check_callback("csv")
