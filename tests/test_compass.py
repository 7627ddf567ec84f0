import time

import numpy as np
import pytest

from zatlas.cli import main
from zatlas.core.errors import BadData, NotSupported
from zatlas.demo import unpack
from zatlas.directions.find import find_direction, store_of
from zatlas.directions.preference import ERROR_RATE, POOL, compass
from zatlas.workspace import Workspace

CHOICES = 60


def person(state, taste, seed, choices=CHOICES):
    """The cosines after each choice of somebody who is wrong one time in ten."""
    rng, cosines = np.random.default_rng(seed), []
    for _ in range(choices):
        shown = state.next_pair()
        liked = int((shown @ taste).argmax())
        if rng.random() < ERROR_RATE:
            liked = int(rng.choice([other for other in range(len(shown)) if other != liked]))
        state = state.answer(liked)
        cosines.append(float(state.direction().vector @ taste))
    return state, np.array(cosines)


def choices_needed(cosines):
    return int(np.argmax(cosines >= 0.9)) + 1 if (cosines >= 0.9).any() else 10**6


def taste_in(latents, seed):
    """A direction as the codes lie: what they do not use, nobody can see."""
    rng = np.random.default_rng(seed)
    a, b = latents[rng.integers(len(latents), size=2)]
    return (a - b) / np.linalg.norm(a - b)


@pytest.fixture(scope="module")
def faces(tmp_path_factory, own_cache):
    return Workspace.open(unpack(tmp_path_factory.mktemp("runs") / "faces-vae"))


@pytest.mark.slow
def test_a_taste_is_found_among_faces_within_sixty_choices(faces):
    names = ("Male", "Pale_Skin", "Oval_Face")
    tastes = [find_direction(faces, name).vector for name in names]
    tastes += [taste_in(faces.cloud, seed) for seed in range(4)]
    needed = []
    for seed, taste in enumerate(tastes):
        state = compass(faces.cloud, seed=seed)
        assert state.count == POOL
        needed.append(choices_needed(person(state, taste, seed)[1]))
    print(f"faces, 32 axes: choices to 0.9 {sorted(needed)}, median {np.median(needed):g}")
    assert max(needed) <= CHOICES


@pytest.mark.parametrize("kind", ["digits", "even"])
def test_pairs_are_enough_where_axes_are_few(wide, kind):
    """Of twelve axes the digits use few; a normal cloud, which uses all alike, is the hardest case."""
    even = np.random.default_rng(0).standard_normal((2000, 12)).astype(np.float32)
    latents, needed = {"digits": wide.cloud, "even": even}[kind], []
    for seed in range(7):
        state = compass(latents, seed=seed)
        assert state.count == 2
        needed.append(choices_needed(person(state, taste_in(latents, seed), seed)[1]))
    print(f"{kind}, 12 axes: choices to 0.9 {sorted(needed)}, median {np.median(needed):g}")
    assert np.median(needed) <= 50 and sorted(needed)[-2] <= CHOICES


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((500, 6)) * [3, 2, 2, 1, 1, 0.5]).astype(np.float32)


def test_the_angle_that_is_told_is_about_the_true_one(latents):
    told, true = [], []
    for seed in range(6):
        taste = taste_in(latents, seed)
        state, cosines = person(compass(latents, seed=seed), taste, seed, choices=25)
        told.append(state.angle)
        true.append(np.degrees(np.arccos(cosines[-1])))
    assert 0.4 < np.mean(told) / np.mean(true) < 2.5
    assert compass(latents).angle == 90


def test_an_answer_makes_another_compass_and_can_be_taken_back(latents):
    start = compass(latents, seed=3)
    left, right = start.next_pair()
    assert not np.allclose(left, right)
    told = start.answer(0).answer(1)
    assert told.choices == 2 and start.choices == 0
    np.testing.assert_array_equal(told.undo().next_pair(), start.answer(0).next_pair())
    passed = start.answer(None)
    assert passed.choices == 0 and not np.allclose(passed.next_pair(), start.next_pair())
    np.testing.assert_allclose(passed.posterior.mean, start.posterior.mean)


def test_the_same_seed_asks_the_same(latents):
    np.testing.assert_array_equal(compass(latents, seed=1).next_pair(), compass(latents, seed=1).next_pair())
    assert not np.allclose(compass(latents, seed=1).next_pair(), compass(latents, seed=2).next_pair())


def test_questions_stay_among_the_data(portraits):
    state, shown = compass(portraits.cloud), []
    for _ in range(5):
        shown.append(state.next_pair())
        state = state.answer(1)
    assert np.median(portraits.density.relative_distance(np.concatenate(shown))) < 2


def test_an_update_takes_less_than_fifty_milliseconds(latents):
    state, _ = person(compass(latents, seed=0), taste_in(latents, 0), 0, choices=40)
    times = []
    for _ in range(5):
        begun = time.process_time()
        state = state.answer(0)
        state.next_pair()
        times.append(time.process_time() - begun)
    assert min(times) < 0.05


def test_what_cannot_be_asked_says_so(latents):
    state = compass(latents)
    with pytest.raises(BadData, match="no answer to take back"):
        state.undo()
    with pytest.raises(BadData, match="Nothing has been chosen"):
        state.direction()
    with pytest.raises(BadData, match="images 0 to 1"):
        state.answer(2)
    with pytest.raises(BadData, match="from 2 to 12"):
        compass(latents, count=1)
    with pytest.raises(NotSupported, match="do not differ"):
        compass(np.zeros((10, 3), np.float32))


def test_the_compass_reads_choices_from_a_file_and_keeps_the_direction(wide, tmp_path, capsys):
    file = tmp_path / "choices.txt"
    file.write_text("# liked\na\nb\n=\nu\na\na\n")
    run = str(wide.run.folder)
    assert main(["compass", run, "--choices", str(file), "--save", "liked it"]) == 0
    path = capsys.readouterr().out.strip()
    assert path.endswith(".safetensors")
    assert find_direction(wide, "liked it").facts["choices"] == 4
    file.write_text("a\nz\n")
    assert main(["compass", run, "--choices", str(file)]) == 2
    assert "'z' is not an answer" in capsys.readouterr().err


def test_the_compass_shows_a_picture_and_takes_letters(wide, tmp_path, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("a\nhuh\nu\nb\ns by hand\nq\n"))
    assert main(["compass", str(wide.run.folder), "--out", str(tmp_path / "shown")]) == 0
    said = capsys.readouterr()
    assert (tmp_path / "shown" / "question.png").stat().st_size > 500
    assert "'huh' is not an answer" in said.err and "question.png" in said.err
    assert said.out.strip().endswith("by-hand-" + said.out.strip().rpartition("-")[2])
    assert "by hand" in [one.name for one in store_of(wide).all()]
    store_of(wide).folder.joinpath(said.out.strip()).unlink()
