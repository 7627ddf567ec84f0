"""Timelines: the timing of keyframes, their files, and the films that `zatlas path --timeline` makes."""

import json

import numpy as np
import pytest
from PIL import Image

from zatlas.cli import main
from zatlas.core.errors import BadRecipe, NotFound, ShapeError, UnknownName
from zatlas.directions.find import find_direction
from zatlas.figures.timelines import timeline_path
from zatlas.latent.timeline import EASINGS, Timing, curve_times, duration, frame_count, frame_times
from zatlas.latent.timeline_file import FOLDER, open_timeline, parse_timeline, save_timeline
from zatlas.locate import locate

KEYFRAMES = [
    {"anchor": "0", "hold": 0.5, "seconds": 1, "easing": "linear"},
    {"anchor": "3", "seconds": 0.5, "easing": "in"},
    {"anchor": "7", "hold": 0.25},
]


def content(*keyframes, **settings):
    return json.dumps({"format": 1, "keyframes": list(keyframes or KEYFRAMES), **settings}).encode()


@pytest.mark.parametrize("easing", EASINGS)
def test_every_easing_starts_and_ends_where_it_should_and_never_turns_back(easing):
    share = EASINGS[easing](np.linspace(0, 1, 50))
    assert share[0] == 0 and share[-1] == pytest.approx(1) and (np.diff(share) > 0).all()


def test_a_timeline_rests_at_its_keyframes_and_a_closed_one_does_not_repeat_its_first_frame():
    timings = [Timing(1, 2, "linear"), Timing(0.5, 4, "linear")]
    assert duration(timings, False) == 3.5 and duration(timings, True) == 7.5
    assert frame_count(timings, False, 2) == 7
    times = curve_times(timings, (0, 1), False, np.array([0, 1, 2, 3, 3.5]))
    assert times.tolist() == [0, 0, 0.5, 1, 1]
    assert frame_times(timings, True, 15)[-1] == 7.0


def test_a_timeline_moves_through_its_anchors_and_holds_there(digits):
    path, frames = timeline_path(digits, parse_timeline(content(), "a"), "a", fps=20)
    latents = path.latents(frames)
    first, second, last = (locate(digits, name).latent[0] for name in ("0", "3", "7"))
    assert frames == 45
    np.testing.assert_allclose(latents[:10], np.tile(first, (10, 1)), atol=1e-5)
    np.testing.assert_allclose(latents[-1], last, atol=1e-5)
    assert np.linalg.norm(latents - second, axis=1).min() < 0.1
    assert [name for _, name in path.marks] == ["image 0", "image 3", "image 7"]


def test_edits_move_a_keyframe_along_directions(digits):
    rows = [{"anchor": "0", "edits": {"3": 1.5}}, {"anchor": "0"}]
    path, frames = timeline_path(digits, parse_timeline(content(*rows), "a"), "a", fps=5)
    start = locate(digits, "0").latent
    expected = find_direction(digits, "3").move(start, 1.5)
    np.testing.assert_allclose(path.latents(frames)[:1], expected, atol=1e-5)


def test_a_saved_timeline_is_found_by_its_name(digits):
    folder = digits.folder(FOLDER)
    saved = save_timeline(folder, "my tour", content(closed=True))
    assert open_timeline(folder, "my tour").closed
    with pytest.raises(NotFound, match="Saved in this run"):
        open_timeline(folder, "another")
    saved.unlink()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"{", BadRecipe, "is no timeline"),
        (content(speed=2), BadRecipe, "unknown key 'speed'"),
        (content({"anchor": "0"}), BadRecipe, "2 to 500 keyframes"),
        (content({"anchor": "0"}, {"hold": 1}), BadRecipe, "keyframe 2 needs"),
        (content({"anchor": "0"}, {"latent": [float("nan"), 0]}), BadRecipe, "finite numbers"),
        (content({"anchor": "0"}, {"anchor": "1", "easing": "bounce"}), UnknownName, "easing"),
        (content({"anchor": "0"}, {"anchor": "1", "seconds": 0}), BadRecipe, "more than 0"),
        (content({"anchor": "0"}, {"anchor": "1", "hold": -1}), BadRecipe, "holds from 0"),
        (content(method="zigzag"), BadRecipe, "lerp, slerp"),
    ],
)
def test_a_wrong_timeline_is_refused_with_its_reason(data, error, message):
    with pytest.raises(error, match=message):
        parse_timeline(data, "tour.json")


def test_a_latent_of_another_space_is_refused(digits):
    timeline = parse_timeline(content({"latent": [0, 0, 0]}, {"anchor": "1"}), "a")
    with pytest.raises(ShapeError, match="3 dimensions"):
        timeline_path(digits, timeline, "a", fps=5)


def test_the_command_writes_the_same_film_of_the_wanted_size_each_time(digits, tmp_path):
    file = tmp_path / "tour.json"
    file.write_bytes(content(closed=True, method="spline"))
    films = [tmp_path / "a.webp", tmp_path / "b.webp"]
    for film in films:
        words = ["path", digits.run.folder, "--timeline", file, "--fps", "6", "--size", "100"]
        assert main([str(word) for word in (*words, "--panel", "none", "--out", film)]) == 0
    assert films[0].read_bytes() == films[1].read_bytes()
    with Image.open(films[0]) as image:
        assert image.n_frames == frame_count([Timing(0.5, 1), Timing(0, 0.5), Timing(0.25, 2)], True, 6)
        assert max(image.size) >= 100


def test_a_timeline_and_a_formula_exclude_each_other(digits, capsys):
    words = ["path", str(digits.run.folder), "--timeline", "a", "--x", "t", "--y", "t"]
    assert main(words) == 2
    assert "not both" in capsys.readouterr().err
