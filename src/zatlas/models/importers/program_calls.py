"""Call programs from files with a time limit, under the caller's gradient and inference modes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zatlas.core.deadline import call_with_deadline


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

    def forward(self, *rows: Tensor) -> Any:
        return call_program(self.program, rows, self.path)


def _is_traced(rows: tuple[Tensor, ...]) -> bool:
    """Return whether torch records operations: it compiles, traces, or passes its own kind of tensor."""
    special = any(type(row) not in (Tensor, nn.Parameter) for row in rows)
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return bool(special or tracing or torch.compiler.is_compiling())
