import numpy as np
import pytest
from PIL import Image

from zatlas.latent.grids import quantile_grid
from zatlas.render.pixels import enlarge, save_picture, to_bytes
from zatlas.render.plot import cloud, curves, save_plot
from zatlas.render.sheet import sheet


def test_pixels_are_rounded_clipped_and_never_a_surprise():
    x = np.float32([0, 0.5, 1, 2, -1, np.nan]).reshape(1, 1, 2, 3)
    found = to_bytes(x)
    assert found.shape == (1, 2, 3, 3)
    assert found[..., 0].ravel().tolist() == [0, 128, 255, 255, 0, 0]


def test_small_images_are_enlarged_by_whole_pixels():
    tile = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    large = enlarge(tile, 5)
    assert large.shape == (1, 6, 6, 3)
    np.testing.assert_array_equal(large[:, ::3, ::3], tile)


def test_a_sheet_holds_every_image_where_it_belongs():
    images = np.linspace(0.1, 0.9, 6, dtype=np.float32).reshape(6, 1, 1, 1) * np.ones(
        (1, 1, 8, 8), np.float32
    )
    picture = np.asarray(sheet(images, 3))
    tile, gap, margin = 56, 4, 24
    for index, image in enumerate(to_bytes(images)):
        y = margin + (index // 3) * (tile + gap) + tile // 2
        x = margin + (index % 3) * (tile + gap) + tile // 2
        assert picture[y, x, 0] == image[0, 0, 0]


def test_words_do_not_move_the_images_out_of_the_sheet():
    images = np.zeros((4, 1, 8, 8), np.float32)
    plain = sheet(images, 2)
    worded = sheet(images, 2, title="A title", rows=["one", "two"], axes=("right", "up"))
    assert worded.width > plain.width - 4 and worded.height > plain.height


def test_the_grid_of_quantiles_goes_right_and_up():
    grid = quantile_grid(5).reshape(5, 5, 2)
    assert (np.diff(grid[:, :, 0], axis=1) > 0).all()
    assert (np.diff(grid[:, :, 1], axis=0) < 0).all()
    np.testing.assert_allclose(grid[2, 2], 0, atol=1e-6)
    np.testing.assert_allclose(grid[0, -1], [1.6449, 1.6449], atol=1e-3)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_plots_are_written_in_every_usual_format(tmp_path, kind):
    chance = np.random.default_rng(0)
    places = chance.normal(size=(60, 2)).astype(np.float32)
    labels = np.arange(60) % 3
    figure = cloud(places, labels, ("a", "b", "c"), title="t", axes=("x", "y"))
    path = save_plot(figure, tmp_path / f"cloud.{kind}")
    assert path.stat().st_size > 1000


def test_curves_show_each_term_once_and_the_loss_only_where_it_is_not_the_elbo(tmp_path):
    rows = [
        {
            "epoch": n,
            "train/loss": -float(n),
            "train/elbo": float(n),
            "valid/elbo": 1.0,
            "train/rate": 2.0,
        }
        for n in (1, 2, 3)
    ]
    figure = curves(rows, title="run")
    titles = [plot.get_title(loc="left") for plot in figure.axes if plot.get_visible()]
    assert titles == ["elbo", "rate"]
    for row in rows:
        row["train/loss"] = 7.0
    titles = [plot.get_title(loc="left") for plot in curves(rows, title="run").axes]
    assert titles[:3] == ["elbo", "loss", "rate"]


def test_a_picture_is_written_whole(tmp_path):
    path = save_picture(Image.new("RGB", (3, 3), "red"), tmp_path / "new" / "a.png")
    with Image.open(path) as picture:
        assert picture.getpixel((1, 1)) == (255, 0, 0)
