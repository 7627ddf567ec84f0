import tracemalloc

import av
import numpy as np
import pytest
from PIL import Image

from zatlas.core.errors import CannotWrite, NotSupported, ShapeError
from zatlas.render.film import Panel, cloud_panel, density_panel, film
from zatlas.render.panel import pixel_of
from zatlas.render.pixels import enlarge, to_bytes
from zatlas.render.theme import DARK, LIGHT, rgb

KINDS = ["mp4", "gif", "png", "apng", "webp"]


def batches(n, side=8, channels=1, size=4):
    rng = np.random.default_rng(0)
    for start in range(0, n, size):
        yield rng.random((min(size, n - start), channels, side, side), np.float32)


def images(*args, **options):
    return np.concatenate(list(batches(*args, **options)))


def frames_of(path):
    """Every frame as an array, and how long the whole lasts, in seconds."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            result = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            return result, float(container.duration / av.time_base)
    result, lasts = [], 0.0
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            result.append(np.asarray(image.convert("RGB")))
            lasts += image.info["duration"] / 1000
        assert image.info.get("loop", 0) == 0  # for ever
    return result, lasts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 10])
def test_a_film_opens_again_with_all_its_frames_at_their_pace(tmp_path, kind, n):
    path = film(batches(n), tmp_path / f"film.{kind}", fps=20, least=64)
    result, lasts = frames_of(path)
    assert len(result) == n
    if n > 1:
        assert lasts == pytest.approx(n / 20, abs=0.01)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
@pytest.mark.parametrize(("side", "channels"), [(8, 1), (8, 3), (7, 1)])
def test_every_pixel_of_a_small_image_is_a_square_of_its_colour(tmp_path, kind, side, channels):
    path = film(batches(6, side, channels), tmp_path / f"film.{kind}", least=50)
    factor = -(-50 // side)
    total = enlarge(to_bytes(images(6, side, channels)), 50)
    for result, expected in zip(frames_of(path)[0], total, strict=True):
        assert result.shape[0] % 2 == result.shape[1] % 2 == 0
        np.testing.assert_array_equal(result[: side * factor, : side * factor], expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("least", [64, 128, 192])
def test_mp4_shows_the_colours_that_were_given(tmp_path, channels, least):
    smooth = np.linspace(0, 1, 64, dtype=np.float32)
    image = np.broadcast_to(smooth, (1, channels, 64, 64)) * np.float32([1, 0.5, 0.25][:channels]).reshape(
        1, -1, 1, 1
    )
    path = film([image.astype(np.float32)] * 3, tmp_path / "film.mp4", least=least)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
    for result in frames_of(path)[0]:
        assert np.abs(result.astype(int) - enlarge(to_bytes(image), least)[0]).mean() < 3


def test_frames_that_do_not_change_cost_next_to_nothing(tmp_path):
    still = np.repeat(images(1, 64, 3), 40, axis=0)
    for kind in KINDS:
        one = film([still[:1]], tmp_path / f"one.{kind}").stat().st_size
        all_ = film([still], tmp_path / f"all.{kind}")
        assert all_.stat().st_size < 1.5 * one + 40 * 900
        assert len(frames_of(all_)[0]) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, kind):
    def peak(n):
        tracemalloc.start()
        film(batches(n, 64, 3), tmp_path / f"film.{kind}", least=64)
        _, result = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return result

    peak(8)
    assert peak(96) < 1.2 * peak(24) + 200_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_that_fails_leaves_no_file(tmp_path, kind):
    def failing():
        yield images(4)
        raise RuntimeError("the decoder is gone")

    with pytest.raises(RuntimeError, match="the decoder is gone"):
        film(failing(), tmp_path / f"film.{kind}")
    assert not list(tmp_path.iterdir())


def test_a_failing_film_leaves_the_old_one_as_it_was(tmp_path):
    path = film(batches(3), tmp_path / "film.gif")
    before = path.read_bytes()
    other_size = [images(2), images(2, side=9)]
    with pytest.raises(ShapeError, match="need one size"):
        film(other_size, path)
    assert path.read_bytes() == before


def test_frames_that_make_no_film_are_refused_with_a_sentence(tmp_path):
    path = tmp_path / "film.gif"
    positions = np.zeros((5, 2), np.float32)
    with pytest.raises(ShapeError, match="no frames"):
        film([], path)
    with pytest.raises(ShapeError, match="no frames"):
        film([images(1)[:0]], path)
    with pytest.raises(ShapeError, match="frames a second"):
        film(batches(3), path, fps=0)
    with pytest.raises(ShapeError, match="more frames than the 5"):
        film(batches(6), path, panel=density_panel(positions))
    with pytest.raises(ShapeError, match="4 frames and 5"):
        film(batches(4), path, far=np.ones(5))
    with pytest.raises(ShapeError, match="5 positions and 4 distances"):
        film(batches(5), path, panel=density_panel(positions), far=np.ones(4))
    with pytest.raises(ShapeError, match="positions in a plane"):
        density_panel(np.zeros((5, 3), np.float32))
    for name in ("film.avi", "film"):
        with pytest.raises(NotSupported, match=r"ending of a film format.* \.mp4, \.gif, \.webp"):
            film(batches(1), tmp_path / name)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite):
        film(batches(1), tmp_path / "file" / "film.gif")


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_the_point_of_a_panel_is_where_its_frame_is(tmp_path, theme):
    positions = np.float32([[-2, -2], [0, 0], [2, 1], [-1, 2]])
    panel = density_panel(positions, theme=theme)
    path = film([images(4)], tmp_path / "film.png", panel=panel, title="A walk", theme=theme)
    result, _ = frames_of(path)
    spots = []
    for frame in result:
        # The point is the only large area of its colour; the trail is thin.
        mine = (frame == rgb(theme.generated)).all(axis=2).astype(int)
        blocks = np.lib.stride_tricks.sliding_window_view(mine, (6, 6)).sum(axis=(2, 3))
        y, x = np.argwhere(blocks == 36).mean(axis=0)
        spots.append((x, y))
    away = np.diff(np.array(spots), axis=0)
    expected = np.diff(pixel_of(panel, 256), axis=0)
    np.testing.assert_allclose(away, expected, atol=2.5)


def test_a_trail_is_left_behind_the_point(tmp_path):
    positions = np.stack([np.linspace(-2, 2, 9), np.zeros(9)], axis=1).astype(np.float32)
    path = film([images(9)], tmp_path / "film.png", panel=density_panel(positions))
    orange = [(frame == rgb(LIGHT.generated)).all(axis=2).sum() for frame in frames_of(path)[0]]
    assert (np.diff(orange) > 0).all()


def test_a_panel_contains_all_points_and_the_curve():
    rng = np.random.default_rng(0)
    cloud = (rng.normal(size=(500, 2)) * [3, 1]).astype(np.float32)
    positions = np.float32([[9, 0], [0, -7]])
    panel = cloud_panel(cloud, np.arange(500) % 40, positions)
    left, bottom, right, top = panel.box
    assert right - left == pytest.approx(top - bottom)
    assert (positions > [left, bottom]).all() and (positions < [right, top]).all()
    assert cloud_panel(cloud, None, positions).image.shape == panel.image.shape
    assert density_panel(positions).box[2] > 9


def test_a_film_shows_when_it_leaves_the_data(tmp_path):
    far = np.array([1, 1, 3, 3, 1], float)
    path = film([images(5)], tmp_path / "film.png", far=far, title="Far")
    result, _ = frames_of(path)
    alarm = [(frame == rgb(LIGHT.outside)).all(axis=2).sum() for frame in result]
    assert min(alarm[2:4]) > max(alarm[0], alarm[1], alarm[4])


def test_an_image_of_the_user_can_be_the_panel(tmp_path):
    image = np.zeros((40, 40, 3), np.uint8)
    panel = Panel(image, np.float32([[0, 0], [1, 1]]), (-2, -2, 2, 2))
    result, _ = frames_of(film([images(2)], tmp_path / "film.gif", panel=panel))
    assert len(result) == 2 and result[0].shape[1] > 512
