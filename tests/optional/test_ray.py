"""Encoding on ray: the rows of one process, whatever becomes of the workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import small_run
from zatlas.core.seeds import stream
from zatlas.encode import encode
from zatlas.store import latent_table as tables

pytest.importorskip("ray")
pytestmark = pytest.mark.optional

COUNT = 9000  # files: three parts


@pytest.fixture(scope="module")
def run(tmp_path_factory, own_cache):
    return small_run(tmp_path_factory.mktemp("runs") / "digits", "digits", dim=2, epochs=2)


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """Digits as files, again and again."""
    path = tmp_path_factory.mktemp("many")
    rows = stream(0, "files").integers(0, len(run.dataset), COUNT)
    for number, row in enumerate(rows):
        Image.fromarray(run.dataset.pixels[row, 0]).save(path / f"{number:06d}.png")
    return path


@pytest.fixture(scope="module")
def expected(run, folder, tmp_path_factory):
    return tables.read(encode(run, str(folder), out=tmp_path_factory.mktemp("here") / "codes"))


def test_a_killed_worker_costs_no_row_and_doubles_none(run, folder, expected, tmp_path):
    out = tmp_path / "codes.parquet"
    job = encoding(run, folder, out)
    victim = wait_for(lambda: workers(out), job)[0]
    os.kill(victim, signal.SIGKILL)
    printed, output = job.communicate(timeout=300)
    assert job.returncode == 0, output
    assert Path(printed.strip()) == out
    same(tables.read(out), expected)


def test_a_job_that_was_killed_goes_on_where_it_was(run, folder, expected, tmp_path):
    out = tmp_path / "codes.parquet"
    job = encoding(run, folder, out)
    wait_for(lambda: list(out.glob("part-*.parquet")), job)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    assert tables.provenance(out) is None
    first = min(out.glob("part-*.parquet"))
    written = first.stat().st_mtime_ns
    loaded = encoding(run, folder, out)
    _, output = loaded.communicate(timeout=300)
    assert loaded.returncode == 0, output
    assert first.stat().st_mtime_ns == written
    same(tables.read(out), expected)


def encoding(run, folder, out):
    """The command, in a group of its own, its workers to be known by a word in their surroundings."""
    words = [sys.executable, "-m", "zatlas", "encode", run.run.folder, folder]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ZATLAS_JOB": str(out)}
    return subprocess.Popen(
        [*map(str, words), "--on", "ray", "--out", str(out)],
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
    )


def workers(out):
    """Ray's processes of this job that hold a model."""
    result = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            holds = b"ray::MapWorker" in (path / "cmdline").read_bytes()
            if holds and f"ZATLAS_JOB={out}".encode() in (path / "environ").read_bytes():
                result.append(int(path.name))
        except OSError:
            continue  # it has ended
    return result


def wait_for(look, job, seconds=240):
    """What `look` finds at last."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := look():
            return result
        assert job.poll() is None, job.communicate()[1]
        time.sleep(0.05)
    raise AssertionError("nothing came of it in time")


def same(result, expected):
    """The same rows, each once, at the same points."""
    order, wanted = np.argsort(result.rows), np.argsort(expected.rows)
    np.testing.assert_array_equal(result.rows[order], expected.rows[wanted])
    assert len(np.unique(result.rows)) == COUNT
    np.testing.assert_allclose(result.latents[order], expected.latents[wanted], atol=1e-5)
