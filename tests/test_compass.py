import time

import numpy as np
import pytest

from zatlas.cli import main
from zatlas.core.errors import BadData, NotSupported
from zatlas.demo import unpack
from zatlas.directions.find import find_direction, store_of
from zatlas.directions.preference import ERROR_RATE, QUESTION_SIZE, compass
from zatlas.workspace import Workspace

CHOICES = 60


def simulate(state, preference, seed, choices=CHOICES):
    """The compass, and the cosine after each choice, of a user whose answers have the given error rate."""
    rng, cosines = np.random.default_rng(seed), []
    for _ in range(choices):
        question = state.next_question()
        choice = int((question @ preference).argmax())
        if rng.random() < ERROR_RATE:
            choice = int(rng.choice([other for other in range(len(question)) if other != choice]))
        state = state.answer(choice)
        cosines.append(float(state.direction().vector @ preference))
    return state, np.array(cosines)


def choices_needed(cosines):
    return int(np.argmax(cosines >= 0.9)) + 1 if (cosines >= 0.9).any() else 10**6


def random_preference(latents, seed):
    """The direction between two latents of the data: a dimension without variance shows nothing."""
    rng = np.random.default_rng(seed)
    a, b = latents[rng.integers(len(latents), size=2)]
    return (a - b) / np.linalg.norm(a - b)


@pytest.fixture(scope="module")
def faces(tmp_path_factory, own_cache):
    return Workspace.open(unpack(tmp_path_factory.mktemp("runs") / "faces-vae"))


@pytest.mark.slow
def test_a_preference_among_faces_is_estimated_within_sixty_choices(faces):
    names = ("Male", "Pale_Skin", "Oval_Face")
    preferences = [find_direction(faces, name).vector for name in names]
    preferences += [random_preference(faces.cloud, seed) for seed in range(4)]
    needed = []
    for seed, preference in enumerate(preferences):
        state = compass(faces.cloud, seed=seed)
        assert state.count == QUESTION_SIZE
        needed.append(choices_needed(simulate(state, preference, seed)[1]))
    print(f"faces, 32 dimensions: choices to 0.9 {sorted(needed)}, median {np.median(needed):g}")
    assert max(needed) <= CHOICES


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["digits", "even"])
def test_pairs_are_enough_for_few_dimensions(wide, kind):
    """Digits use few of twelve dimensions; a normal distribution uses all, and is the hardest case."""
    even = np.random.default_rng(0).standard_normal((2000, 12)).astype(np.float32)
    latents, needed = {"digits": wide.cloud, "even": even}[kind], []
    for seed in range(7):
        state = compass(latents, seed=seed)
        assert state.count == 2
        needed.append(choices_needed(simulate(state, random_preference(latents, seed), seed)[1]))
    print(f"{kind}, 12 dimensions: choices to 0.9 {sorted(needed)}, median {np.median(needed):g}")
    assert np.median(needed) <= 50 and sorted(needed)[-2] <= CHOICES


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((500, 6)) * [3, 2, 2, 1, 1, 0.5]).astype(np.float32)


def test_the_expected_angle_is_near_the_true_one(latents):
    expected, true = [], []
    for seed in range(6):
        preference = random_preference(latents, seed)
        state, cosines = simulate(compass(latents, seed=seed), preference, seed, choices=25)
        expected.append(state.angle)
        true.append(np.degrees(np.arccos(cosines[-1])))
    assert 0.4 < np.mean(expected) / np.mean(true) < 2.5
    assert compass(latents).angle == 90


def test_an_answer_returns_a_new_compass_and_can_be_undone(latents):
    start = compass(latents, seed=3)
    left, right = start.next_question()
    assert not np.allclose(left, right)
    answered = start.answer(0).answer(1)
    assert answered.choices == 2 and start.choices == 0
    np.testing.assert_array_equal(answered.undo().next_question(), start.answer(0).next_question())
    skipped = start.answer(None)
    assert skipped.choices == 0 and not np.allclose(skipped.next_question(), start.next_question())
    np.testing.assert_allclose(skipped.posterior.mean, start.posterior.mean)


def test_the_same_seed_gives_the_same_questions(latents):
    np.testing.assert_array_equal(
        compass(latents, seed=1).next_question(), compass(latents, seed=1).next_question()
    )
    assert not np.allclose(compass(latents, seed=1).next_question(), compass(latents, seed=2).next_question())


def test_questions_stay_inside_the_data(portraits):
    state, question = compass(portraits.cloud), []
    for _ in range(5):
        question.append(state.next_question())
        state = state.answer(1)
    assert np.median(portraits.density.relative_distance(np.concatenate(question))) < 2


def test_an_update_takes_less_than_fifty_milliseconds(latents):
    state, _ = simulate(compass(latents, seed=0), random_preference(latents, 0), 0, choices=40)
    times = []
    for _ in range(5):
        start = time.process_time()
        state = state.answer(0)
        state.next_question()
        times.append(time.process_time() - start)
    assert min(times) < 0.05


def test_invalid_answers_and_settings_raise_errors(latents):
    state = compass(latents)
    with pytest.raises(BadData, match="no answer to undo"):
        state.undo()
    with pytest.raises(BadData, match="Nothing has been chosen"):
        state.direction()
    with pytest.raises(BadData, match="images 0 to 1"):
        state.answer(2)
    with pytest.raises(BadData, match="from 2 to 12"):
        compass(latents, count=1)
    with pytest.raises(NotSupported, match="do not differ"):
        compass(np.zeros((10, 3), np.float32))


def test_the_command_reads_choices_from_a_file_and_saves_the_direction(wide, tmp_path, capsys):
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


def test_the_command_draws_a_question_and_reads_letters(wide, tmp_path, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("a\nhuh\nu\nb\ns by hand\nq\n"))
    assert main(["compass", str(wide.run.folder), "--out", str(tmp_path / "shown")]) == 0
    output = capsys.readouterr()
    assert (tmp_path / "shown" / "question.png").stat().st_size > 500
    assert "'huh' is not an answer" in output.err and "question.png" in output.err
    assert output.out.strip().endswith("by-hand-" + output.out.strip().rpartition("-")[2])
    assert "by hand" in [direction.name for direction in store_of(wide).all()]
    store_of(wide).folder.joinpath(output.out.strip()).unlink()
