"""A model as an estimator of scikit-learn: in pipelines, cloned, searched over, pickled."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import zatlas

X, Y = load_digits(return_X_y=True)
X, Y = X[:400], Y[:400]
SETTINGS = {
    "net.name": "mlp",
    "net.widths": [64],
    "training.preview": 0,
    "training.batch": 32,
    "training.rate": 3e-3,
}


def transformer(folder, **options):
    return zatlas.LatentTransformer(
        **{"dim": 6, "epochs": 30, "settings": SETTINGS, "folder": folder, **options}
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, own_cache):
    return transformer(tmp_path_factory.mktemp("transformer")).fit(X)


def test_latents_and_images_keep_their_ranges(fitted):
    latents = fitted.transform(X)
    assert latents.shape == (400, 6) and latents.dtype == np.float32
    np.testing.assert_allclose(latents, fitted.atlas_.encode(X.reshape(-1, 8, 8) / 16), atol=1e-4)
    images = fitted.inverse_transform(latents)
    assert images.shape == X.shape and 10 < images.max() <= 16
    assert np.abs(images - X).mean() < np.abs(X - X.mean(axis=0)).mean()
    assert fitted.inverse_transform(latents[0].tolist()).shape == (1, 64)


def test_it_is_cloned_pickled_and_named(fitted):
    assert not hasattr(clone(fitted), "atlas_") and clone(fitted).get_params() == fitted.get_params()
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.transform(X[:5]), fitted.transform(X[:5]))
    names = [f"latenttransformer{i}" for i in range(6)]
    assert list(fitted.get_feature_names_out()) == names
    frame = clone(fitted).set_output(transform="pandas").fit(X[:50]).transform(X[:5])
    assert list(frame.columns) == names


@pytest.mark.slow
def test_it_is_part_of_a_pipeline_and_of_a_search(tmp_path):
    pipeline = make_pipeline(transformer(tmp_path), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipeline, {"latenttransformer__dim": [1, 6]}, cv=2, error_score="raise")
    search.fit(X, Y)
    assert search.best_params_ == {"latenttransformer__dim": 6} and search.best_score_ > 0.5
    assert len(list(tmp_path.iterdir())) == 5  # two folds for each dim, and the last fit


def test_the_shape_of_images_is_given_or_square(tmp_path):
    wide = transformer(tmp_path, image_shape=(4, 16), epochs=1).fit(X)
    assert wide.atlas_.dataset.shape == (1, 4, 16)
    colour = transformer(tmp_path, image_shape=(3, 4, 4), epochs=1).fit(X[:, :48])
    assert colour.atlas_.dataset.shape == (3, 4, 4)
    with pytest.raises(ValueError, match=r"have 25 pixels, not 64"):
        transformer(tmp_path, image_shape=(5, 5)).fit(X)
    with pytest.raises(ValueError, match="Negative values in data"):
        transformer(tmp_path).fit(X - 1)
    with pytest.raises(NotFittedError):
        transformer(tmp_path).transform(X)


@pytest.mark.nightly
def test_the_checks_of_scikit_learn_pass(tmp_path, monkeypatch, own_cache):
    monkeypatch.chdir(tmp_path)
    small = {**SETTINGS, "net.widths": [16]}
    results = check_estimator(zatlas.LatentTransformer(epochs=1, settings=small), on_skip=None)
    assert len(results) > 40 and {each["status"] for each in results} <= {"passed", "skipped"}
    assert [each["check_name"] for each in results if each["status"] == "skipped"] == [
        "check_array_api_input"
    ]
