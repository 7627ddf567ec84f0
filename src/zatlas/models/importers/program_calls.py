"""Call programs from files with a time limit, under the caller's gradient and inference modes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zatlas.core.deadline import call_with_deadline
from zatlas.core.errors import DeadlineExceeded, Interrupted
from zatlas.models.importers.imported import in_batches, tensor_of

BATCHES = (1, 2, 3, 4, 5, 6, 8, 10, 16, 25, 32, 36, 64, 100, 128, 256)  # sizes to try


def call_program(
    function: Callable[..., Any], rows: tuple[Tensor, ...], path: Path, stop: Callable[[], Any] | None = None
) -> Any:
    """Return the output of the program in the file `path`; `Endless` if it exceeds the time limit."""
    if _is_traced(rows):
        return function(*rows)  # a tracer sees only this thread
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def run() -> Any:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return function(*rows)

    return call_with_deadline(run, f"The model in {path}", stop)


class Scripted(nn.Module):
    """A TorchScript program."""

    def __init__(self, program: torch.jit.ScriptModule, path: Path) -> None:
        super().__init__()
        self.program = program.eval()
        self.path = path
        self.rows: int | None = None  # the batch size, if it was traced with a fixed one

    def forward(self, *rows: Tensor) -> Any:
        return in_batches(self._run, rows, self.rows) if self.rows else self._run(*rows)

    def _run(self, *rows: Tensor) -> Any:
        return call_program(self.program, rows, self.path)

    def batch_of(self, shapes: Sequence[tuple[int, ...]]) -> int | None:
        """Return the only batch size that the program takes; None if it takes several sizes, or none."""
        for shape in shapes:
            taken = [rows for rows in BATCHES if self._takes(rows, shape)]
            if taken:
                return taken[0] if len(taken) == 1 else None
        return None

    def _takes(self, rows: int, shape: tuple[int, ...]) -> bool:
        try:
            with torch.no_grad():
                return len(tensor_of(self._run(torch.zeros(rows, *shape)))) == rows
        except (DeadlineExceeded, Interrupted):
            raise
        except Exception:  # third-party code, called with a shape that may be wrong
            return False


def _is_traced(rows: tuple[Tensor, ...]) -> bool:
    """Return whether torch records operations: it compiles, traces, or passes its own kind of tensor."""
    special = any(type(row) not in (Tensor, nn.Parameter) for row in rows)
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return bool(special or tracing or torch.compiler.is_compiling())
