"""Two processes that train one model, started as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

CODE = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
torch.set_num_threads(1)
from tests.conftest import recipe, spots
from zatlas.training import loop


class Noting:
    '''The weights of this process after each epoch, before any are taken from a file.'''

    def begin(self, run, recipe, images, learner):
        self.learner, self.states = learner, {}

    def epoch(self, row):
        for name, tensor in self.learner.net.state_dict().items():
            self.states[f"{row['epoch']}.{name}"] = tensor.clone()

    def tell(self, line): pass
    def step(self, step, images, terms): pass
    def result(self, result): pass
    def end(self): pass


family, folder, noting = sys.argv[1], Path(sys.argv[2]), Noting()
training = {"epochs": 3, "average": 0.9 if family == "gan" else 0.0, "batch": 32}
loop.fit(recipe(family, training=training), spots(151), folder / "run", [noting])
fabric = noting.learner.fabric
assert fabric.world_size == 2
save_file(noting.states, folder / f"{fabric.global_rank}.safetensors")
"""


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_two_processes_end_with_equal_weights(family, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(CODE)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    done = subprocess.run(
        [*command, str(script), family, str(tmp_path)], capture_output=True, text=True, timeout=240,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    moved = [name for name in first if not torch.equal(first[name], first[f"1.{name[2:]}"])]
    assert moved  # and not because nothing was learned
    assert (tmp_path / "run" / "weights.safetensors").exists()


def environment():
    root = str(Path(__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
