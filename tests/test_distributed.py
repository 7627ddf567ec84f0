"""Several processes that train one model: as one would, stopped, killed, and gone on with."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import recipe, spots
from tests.pair import KINDS, Duel, Noting, recipe_of
from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.process_group import ProcessGroup, process_group
from zatlas.core.registry import MODELS
from zatlas.data import sources
from zatlas.models.noise import SharedNoise, normal, part_of, uniform
from zatlas.store.run import Run
from zatlas.training import checkpoint
from zatlas.training.distributed import choose_strategy
from zatlas.training.environment import count_players
from zatlas.training.loop import fit, resume

UNTIMED = ("seconds", "images_per_second")


@pytest.fixture(autouse=True, scope="module")
def third_party_family():
    """Install `Duel`, as a package of another author would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS._registered, "duel", Duel)
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    images = spots(134)
    path = tmp_path_factory.mktemp("data") / "spots.npz"
    train, test = images.split != 2, images.split == 2
    np.savez(
        path,
        x_train=images.pixels[train],
        y_train=images.labels[train],
        x_test=images.pixels[test],
        y_test=images.labels[test],
    )
    return str(path)


@pytest.fixture(scope="module")
def pair(source, tmp_path_factory):
    """What two processes leave, that have done all of the above in one start."""
    folder = tmp_path_factory.mktemp("pair")
    done = subprocess.run(
        [*TORCHRUN, "-m", "tests.pair", source, str(folder)],
        capture_output=True,
        text=True,
        timeout=240,
        env=environment(),
    )
    assert (folder / "done-0").exists() and (folder / "done-1").exists(), done.stderr[-5000:]
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def environment(**more):
    root = Path(__file__).parent.parent
    path = os.pathsep.join([str(root / "src"), str(root)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def untimed(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in UNTIMED} for row in rows]


def alike(mine, theirs):
    assert len(mine) == len(theirs) >= 3
    for one, other in zip(mine, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert math.isclose(one[name], other[name], rel_tol=1e-4, abs_tol=1e-6), name


@pytest.mark.parametrize(("family", "players"), [("vae", 1), ("duel", 2)])
def test_weights_may_lack_a_gradient_where_a_model_has_several_players(family, players):
    settings = recipe(family)
    assert count_players(settings.describe((1, 8, 8), ())) == players
    strategy = choose_strategy(settings, ProcessGroup(0, 2, 1), players)
    assert strategy._ddp_kwargs["find_unused_parameters"] == (players > 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_two_processes_end_with_equal_weights(kind, pair):
    first, second = (load_file(pair / f"{kind}-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    moved = [name for name in first if not torch.equal(first[name], first[f"1.{name[2:]}"])]
    assert moved  # and not because nothing was learned


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_the_same_model_as_one(kind, pair, source, tmp_path):
    run = fit(recipe_of(kind, source), sources.load(source), tmp_path / "one")
    alike(untimed(run.folder), untimed(pair / kind))
    mine, theirs = load_file(run.weights), load_file(pair / kind / "weights.safetensors")
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_stopped_processes_resume_bit_for_bit(kind, pair):
    full, half = pair / kind, pair / f"{kind}-half"
    assert untimed(full) == untimed(half)
    assert (full / "weights.safetensors").read_bytes() == (half / "weights.safetensors").read_bytes()
    last = checkpoint.steps(full / "checkpoints")[-1]
    states = [checkpoint.load_checkpoint(run / "checkpoints", last)[0] for run in (full, half)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_goes_on_with_what_two_began_and_says_that_it_is_not_exact(kind, pair, source, tmp_path):
    noting, run = Noting(), tmp_path / "alone"
    shutil.copytree(pair / f"{kind}-alone", run)
    begun = checkpoint.steps(run / "checkpoints")[-1]
    assert begun == 6
    resume(run, recipe_of(kind, source), [noting])
    assert any("not exact" in line and "processes was 2, now 1" in line for line in noting.messages)
    alike(untimed(run), untimed(pair / kind))


@pytest.mark.slow
def test_how_the_weights_are_held_makes_no_other_recipe(pair, source, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(pair / "fsdp-alone", run)
    settings = recipe_of("fsdp", source)
    other = recipe_of("fsdp", source, strategy="ddp")
    assert settings.differences(other) == ["training.strategy: fsdp, not ddp"]
    resume(run, other)
    with pytest.raises(BadRecipe, match=r"training\.clip: 1.0, not 50.0"):
        resume(run, recipe_of("fsdp", source, clip=1.0))


@pytest.mark.slow
def test_a_nan_in_one_process_ends_all(pair):
    steps = checkpoint.steps(pair / "spoilt" / "checkpoints")
    assert steps == [2]
    tensors, _ = checkpoint.load_checkpoint(pair / "spoilt" / "checkpoints", 2)
    assert all(t.isfinite().all() for t in tensors.values() if t.is_floating_point())


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_no_thread_of_gloo_is_at_work_when_python_ends(rank, pair):
    """It would want what is no longer there, and abort a process that has done all its work."""
    threads = (pair / f"threads-{rank}").read_text().split()
    assert threads and not [name for name in threads if "gloo" in name]


@pytest.mark.parametrize("world", [2, 3, 4])
def test_noise_of_an_image_does_not_depend_on_the_number_of_processes(world):
    for full in (1, 2, 3, 7, 32, 101):
        like = torch.zeros(1)
        for draw, shape, axis in ((normal, (2, full, 3), 1), (uniform, (full, 1, 4), 0)):
            expected = draw(shape, like, torch.Generator().manual_seed(5), axis)
            result = torch.full_like(expected, math.nan)
            for rank in range(world):
                rng = SharedNoise("cpu")
                rng.manual_seed(5)
                rng.part = part_of(full, rank, world)
                rows = rng.part.rows
                mine = list(shape)
                mine[axis] = len(range(full)[rows])
                result[(slice(None),) * axis + (rows,)] = draw(mine, like, rng, axis)
            assert torch.equal(result, expected)
        assert math.isclose(sum(part_of(full, r, world).images for r in range(world)), full)


def test_the_process_group_is_read_from_the_launcher_s_environment():
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
    assert process_group(torchrun) == ProcessGroup(5, 4, 2)
    srun = {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "6", "SLURM_NTASKS_PER_NODE": "2"}
    assert process_group({**srun, "SLURM_NNODES": "3", "SLURM_PROCID": "4"}) == ProcessGroup(4, 2, 3)
    assert process_group({**srun, **torchrun}) == ProcessGroup(5, 4, 2)
    batch_file = {name: value for name, value in srun.items() if name != "SLURM_STEP_ID"}
    assert process_group(batch_file) == process_group({}) == ProcessGroup()
    assert process_group({**srun, "SLURM_JOB_NAME": "bash"}) == ProcessGroup()
    with pytest.raises(NotSupported, match="srun --ntasks-per-node=N"):
        process_group({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "6"})


SMALL = ["--set", "training.preview=0", "--set", "net.widths=[16]"]
COMMAND = ["-m", "zatlas", "train", "digits", *SMALL]


def started(words, folder, **more):
    """A command of several processes, in a session of its own."""
    return subprocess.Popen(
        words,
        cwd=folder,
        env=environment(**more),
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def after_epochs(run, count, started_process):
    until = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or len(Run(run).metrics()) < count:
        assert time.monotonic() < until and started_process.poll() is None
        time.sleep(0.05)


def output(errors):
    return [line for line in errors.splitlines() if line.startswith("zatlas: ")]


def workers_of(agent):
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    return sorted(map(int, children))


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_after_a_killed_process_the_other_ends_with_an_error_and_the_run_resumes(victim, tmp_path):
    begin = [*TORCHRUN, *COMMAND, "--epochs", "40", "--out", "run"]
    run, agent = tmp_path / "run", started(begin, tmp_path)
    after_epochs(run, 3, agent)
    os.kill(workers_of(agent)[victim], signal.SIGKILL)
    out, errors = agent.communicate(timeout=60)
    assert agent.returncode == 1 and out == ""
    (sentence,) = output(errors)
    assert f"Process {1 - victim} of 2 stops" in sentence and "--resume run" in sentence
    step, wrong = checkpoint.latest(run / "checkpoints")
    assert step is not None and wrong == {}
    full = started([*begin[:-1], "whole"], tmp_path)
    assert full.communicate(timeout=120)[0] == "whole\n" and full.returncode == 0
    resumed = started([*TORCHRUN, "-m", "zatlas", "train", "--resume", "run"], tmp_path)
    assert resumed.communicate(timeout=120)[0] == "run\n" and resumed.returncode == 0
    assert untimed(run) == untimed(tmp_path / "whole")
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.parametrize("everyone", [False, True])
def test_a_signal_to_torchrun_ends_all_processes_with_one_message_and_a_checkpoint(everyone, tmp_path):
    """The agent passes it on; where the processes heard it themselves, twice is as once."""
    run = tmp_path / "run"
    agent = started([*TORCHRUN, *COMMAND, "--epochs", "4000", "--out", "run"], tmp_path)
    after_epochs(run, 2, agent)
    for pid in [*(workers_of(agent) if everyone else []), agent.pid]:
        os.kill(pid, signal.SIGINT)
    out, errors = agent.communicate(timeout=60)
    assert agent.returncode != 0 and out == ""
    (sentence,) = output(errors)
    step, _ = checkpoint.latest(run / "checkpoints")
    assert f"Stopped by SIGINT at step {step:,}; all is saved." in sentence


@pytest.mark.posix
@pytest.mark.slow
def test_two_tasks_of_srun_train_one_run_and_end_with_the_right_status(tmp_path):
    slurm = {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "train",
        "SLURM_STEP_ID": "0",
        "SLURM_NODEID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODELIST": "localhost",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    words = [sys.executable, *COMMAND, "--epochs", "4000", "--out", "run"]
    ranks = ({"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)} for i in range(2))
    tasks = [started(words, tmp_path, **slurm, **rank) for rank in ranks]
    run = tmp_path / "run"
    after_epochs(run, 2, tasks[0])
    assert Run(run).provenance()["processes"] == 2
    for task in tasks:  # as scancel does
        task.terminate()
    ends = [task.communicate(timeout=60) for task in tasks]
    assert [task.returncode for task in tasks] == [143, 143]
    assert [out for out, _ in ends] == ["", ""]
    assert [len(output(errors)) for _, errors in ends] == [1, 0]
    assert checkpoint.latest(run / "checkpoints")[0] is not None


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
