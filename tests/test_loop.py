import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import recipe, spots
from zatlas.core.errors import BadRecipe, BadRun, Diverged
from zatlas.data import sources
from zatlas.models.description import generator, load_weights
from zatlas.training import checkpoint
from zatlas.training.batches import Batches
from zatlas.training.loop import fit, resume
from zatlas.training.trackers import TensorBoard

UNTIMED = ("seconds", "images_per_second")


@pytest.fixture
def source(tmp_path, blobs):
    """The images as a file that a recipe can name."""
    path = tmp_path / "spots.npz"
    train, test = blobs.split != 2, blobs.split == 2
    np.savez(
        path,
        x_train=blobs.pixels[train],
        y_train=blobs.labels[train],
        x_test=blobs.pixels[test],
        y_test=blobs.labels[test],
    )
    return str(path)


def rows_without_time(run):
    return [{k: v for k, v in row.items() if k not in UNTIMED} for row in run.metrics()]


def from_file(source, **tables):
    return recipe(**{"data": {"source": source}, **tables})


def test_a_run_holds_what_its_description_promises(tmp_path, blobs):
    run = fit(recipe(training={"preview": 1}), blobs, tmp_path / "run")
    names = {path.name for path in run.folder.iterdir()}
    expected = {
        "recipe.toml",
        "made.json",
        "data_report.json",
        "weights.safetensors",
        "metrics.jsonl",
        "checkpoints",
        "previews",
        "curves.png",
        "result.json",
    }
    assert expected <= names
    assert [row["epoch"] for row in run.metrics()] == [1, 2]
    assert {"train/elbo", "valid/elbo", "valid/rate"} <= run.metrics()[0].keys()
    assert run.provenance()["fingerprint"] == blobs.fingerprint
    result = json.loads((run.folder / "result.json").read_text())
    assert result["test"]["elbo"] < 0


def test_tensorboard_gets_the_metrics_where_it_is_installed(tmp_path, blobs):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fit(recipe(), blobs, tmp_path / "run", [TensorBoard()])
    events = reading.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("valid/elbo")] == [4, 8]


def test_two_trainings_by_one_recipe_are_the_same_to_the_bit(tmp_path, blobs):
    runs = [fit(recipe(), blobs, tmp_path / name) for name in "ab"]
    assert runs[0].weights.read_bytes() == runs[1].weights.read_bytes()
    assert rows_without_time(runs[0]) == rows_without_time(runs[1])


def test_another_seed_gives_another_model(tmp_path, blobs):
    runs = [fit(recipe(seed=seed), blobs, tmp_path / str(seed)) for seed in (0, 1)]
    assert runs[0].weights.read_bytes() != runs[1].weights.read_bytes()


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_looking_changes_nothing(tmp_path, blobs, family):
    """Previews, evaluation and a different use of torch's own chance leave the weights as they are."""
    quiet = fit(recipe(family), blobs, tmp_path / "quiet")
    torch.manual_seed(99)
    looked = fit(recipe(family, training={"preview": 1, "best": "ssim"}), blobs, tmp_path / "looked")
    states = [
        load_file(run.checkpoints / f"{checkpoint.steps(run.checkpoints)[-1]:09d}" / "state.safetensors")
        for run in (quiet, looked)
    ]
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        assert torch.equal(states[0][name], states[1][name]), name


def test_training_does_not_change_the_random_state_of_torch(tmp_path, blobs):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(recipe(), blobs, tmp_path / "run")
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_saved_weights_are_those_of_the_best_epoch(tmp_path, blobs):
    # A rate that explodes late: the best epoch is not the last.
    wild = {"epochs": 6, "rate": 0.5, "schedule": "exponential", "decay": 1.6}
    run = fit(recipe(training=wild), blobs, tmp_path / "run")
    scores = [row["valid/loss"] for row in run.metrics()]
    best = run.metrics()[int(np.argmin(scores))]
    assert best["epoch"] < 6
    assert json.loads((run.folder / "result.json").read_text())["best"] == best
    tensors, _ = checkpoint.load_checkpoint(run.checkpoints, best["step"])
    saved = load_file(run.weights)
    assert all(torch.equal(saved[name], tensors[f"model.{name}"]) for name in saved)


def test_the_moving_average_of_the_weights_is_saved(tmp_path, blobs):
    run = fit(recipe("gan", training={"average": 0.9, "epochs": 3}), blobs, tmp_path / "run")
    tensors, _ = checkpoint.load_checkpoint(run.checkpoints, checkpoint.steps(run.checkpoints)[-1])
    saved = load_file(run.weights)
    assert not all(torch.equal(saved[name], tensors[f"model.{name}"]) for name in saved)
    description, model = load_weights(run.weights)
    z = np.zeros((1, 2), np.float32)
    assert np.isfinite(generator(description, model).decode(z)).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_images_train(tmp_path, count):
    run = fit(recipe(), spots(count), tmp_path / "run")
    assert len(run.metrics()) == 2


def test_images_without_labels_and_of_one_class_train(tmp_path, blobs):
    from zatlas.data.image_dataset import image_dataset

    for name, labels in {"none": None, "one": np.zeros(150, int)}.items():
        images = image_dataset("plain", blobs.pixels, labels=labels, split=blobs.split)
        fit(recipe(), images, tmp_path / name)


def test_a_rate_that_explodes_names_the_step_and_saves_nothing_that_is_no_number(tmp_path, blobs):
    wild = recipe(training={"rate": 1e30, "schedule": "constant", "epochs": 3})
    with pytest.raises(Diverged, match=r"step 2 \(epoch 1, batch 2, images .*training.rate=1e\+29"):
        fit(wild, blobs, tmp_path / "run")
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == []


def test_a_finished_run_resumed_is_left_as_it_is(tmp_path, source):
    run = fit(from_file(source), sources.load(source), tmp_path / "run")
    before = run.weights.read_bytes(), run.metrics()
    resume(run.folder)
    assert (run.weights.read_bytes(), run.metrics()) == before


def test_more_epochs_at_a_constant_rate_equal_one_longer_training(tmp_path, source):
    images = sources.load(source)
    short, long = (from_file(source, training={"epochs": n, "schedule": "constant"}) for n in (2, 4))
    run = fit(short, images, tmp_path / "grown")
    assert replace(short, training=long.training) == long
    resume(run.folder, long)
    full = fit(long, images, tmp_path / "whole")
    assert rows_without_time(run) == rows_without_time(full)
    assert run.weights.read_bytes() == full.weights.read_bytes()


def test_another_recipe_is_refused_by_the_names_of_what_differs(tmp_path, source):
    run = fit(from_file(source), sources.load(source), tmp_path / "run")
    other = from_file(source, model={"beta": 4.0}, training={"batch": 16})
    with pytest.raises(BadRecipe, match=r"model.beta: 4.0, not 1.0; training.batch: 16, not 32"):
        resume(run.folder, other)


def test_other_images_under_the_same_name_are_refused(tmp_path, source):
    run = fit(from_file(source), sources.load(source), tmp_path / "run")
    with np.load(source) as saved:
        arrays = dict(saved)
    arrays["x_train"][0, 0, 0, 0] ^= 255
    np.savez(source, **arrays)
    with pytest.raises(BadRun, match="other images"):
        resume(run.folder)


def test_a_damaged_checkpoint_is_renamed_and_the_previous_one_is_used(tmp_path, source):
    recipe_ = from_file(source, training={"epochs": 3})
    run = fit(recipe_, sources.load(source), tmp_path / "run")
    full = run.weights.read_bytes(), rows_without_time(run)
    last = run.checkpoints / f"{checkpoint.steps(run.checkpoints)[-1]:09d}"
    state = last / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    resume(run.folder)
    assert (run.checkpoints / f"damaged-{last.name}").is_dir()
    assert (run.weights.read_bytes(), rows_without_time(run)) == full


def test_order_is_a_pure_function_of_seed_and_epoch(blobs):
    batches = Batches(blobs, blobs.rows("train"), 16, torch.device("cpu"))
    assert (batches.order(1, 2) == batches.order(1, 2)).all()
    assert (batches.order(1, 2) != batches.order(1, 3)).any()
    assert sorted(batches.order(1, 2)) == sorted(blobs.rows("train"))


def test_the_rows_of_two_processes_are_one_batch(blobs):
    device = torch.device("cpu")
    single = Batches(blobs, blobs.rows("train"), 16, device)
    parts = [Batches(blobs, blobs.rows("train"), 16, device, (rank, 2)) for rank in (0, 1)]
    order = single.order(0, 0)
    rows = np.concatenate([part.own_rows(order, 1) for part in parts])
    assert sorted(rows) == sorted(single.own_rows(order, 1))


def test_rows_of_a_large_file_are_read_as_they_are(tmp_path, monkeypatch):
    full = spots(200)
    np.save(tmp_path / "pixels.npy", full.pixels)
    mapped = replace(full, pixels=np.load(tmp_path / "pixels.npy", mmap_mode="c"))
    monkeypatch.setattr("zatlas.data.image_dataset.LARGE_BYTES", 0)
    device = torch.device("cpu")
    rows = np.array([7, 199, 0, 7])
    read = Batches(mapped, mapped.rows("train"), 16, device)
    assert read.reader is not None
    saved = Batches(full, full.rows("train"), 16, device)
    assert torch.equal(read.select(rows)[0], saved.select(rows)[0])


def test_a_mirrored_batch_is_mirrored_by_index(blobs):
    batches = Batches(blobs, blobs.rows("train"), 16, torch.device("cpu"))
    flips = batches.flips(0, 0)
    rows = np.arange(10)
    plain, _ = batches.select(rows)
    turned, _ = batches.select(rows, flips)
    for index in rows:
        expected = plain[index].flip(2) if flips[index] else plain[index]
        assert torch.equal(turned[index], expected)
