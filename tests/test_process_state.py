"""The Python API leaves what belongs to the whole process as it was."""

import ast
import logging
import os
import signal
import warnings
from pathlib import Path

import pytest
import sklearn.metrics  # noqa: F401  # changes the environment when it is imported
import torch

from tests.conftest import small_run
from zatlas.core.logs import log_level
from zatlas.metrics.evaluation import evaluate
from zatlas.workspace import Workspace

SOURCES = Path(__file__).parent.parent / "src" / "zatlas"
OWN_PROCESS = {
    "cli.py",
    "commands/thread_count.py",
    "server/session.py",
}  # these files run only where the process is zatlas's own
SETTERS = {
    "torch.set_num_threads",
    "torch.set_num_interop_threads",
    "torch.set_default_dtype",
    "torch.set_float32_matmul_precision",
    "warnings.filterwarnings",
    "warnings.simplefilter",
    "signal.signal",
    "threadpool_limits",
    "threadpoolctl.threadpool_limits",
}
RESTORED = {"training/signals.py", "core/cluster.py"}  # they restore each signal handler
ENDS = {"core/system/posix.py"}  # it ends the process


def process_state():
    """All settings of this process that a library could change."""
    loggers = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "random": torch.random.get_rng_state().tolist(),
        "gradients": torch.is_grad_enabled(),
        "warnings": list(warnings.filters),
        "loggers": loggers | {"": logging.root.level},
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
    }


def test_train_open_and_evaluate_leave_the_process_as_it_was(digits, tmp_path):
    before = process_state()
    small_run(tmp_path / "run", "digits", epochs=1)
    evaluate(Workspace.open(tmp_path / "run"), groups=("likelihood", "space"))
    after = process_state()
    for name in before:
        if name == "loggers":  # a package that is imported late adds loggers
            assert before[name].items() <= after[name].items()
        else:
            assert after[name] == before[name], name


def test_the_level_of_a_logger_is_restored_also_after_an_error():
    logger = logging.getLogger("tests.log_level")
    logger.setLevel(logging.INFO)
    with pytest.raises(ValueError), log_level(logger.name, logging.ERROR):
        assert logger.level == logging.ERROR
        raise ValueError
    assert logger.level == logging.INFO
    with log_level(logger.name, logging.DEBUG):
        assert logger.level == logging.INFO


def test_only_the_command_line_and_the_server_set_what_belongs_to_the_process():
    offenders = []
    for path in sorted(SOURCES.rglob("*.py")):
        file = path.relative_to(SOURCES).as_posix()
        if file in OWN_PROCESS:
            continue
        tree = ast.parse(path.read_text())
        safe = {id(node) for block in ast.walk(tree) if restores(block) for node in ast.walk(block)}
        for node in ast.walk(tree):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if (
                name in SETTERS
                and id(node) not in safe
                and not (name == "signal.signal" and file in RESTORED | ENDS)
            ):
                offenders.append(f"{file}:{node.lineno} {name}")
    assert not offenders


def restores(block):
    """Whether a block restores the warning filters."""
    return isinstance(block, ast.With) and any("catch_warnings" in ast.unparse(item) for item in block.items)
