"""Programs from files as functions of tensors: each call is watched, and torch's modes go with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zatlas.core.watched import watched


def call(
    function: Callable[..., Any], rows: tuple[Tensor, ...], what: Path, stop: Callable[[], Any] | None = None
) -> Any:
    """What the program in this file gives for these rows; `Endless` if it gives nothing in time."""
    if _traced():
        return function(*rows)  # the tracer knows this thread alone, and runs no loop
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def inside() -> Any:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return function(*rows)

    return watched(inside, f"The model in {what}", stop)


class Scripted(nn.Module):
    """A program of TorchScript."""

    def __init__(self, program: torch.jit.ScriptModule, path: Path) -> None:
        super().__init__()
        self.program = program.eval()
        self.path = path

    def forward(self, *rows: Tensor) -> Any:
        return call(self.program, rows, self.path)


def _traced() -> bool:
    """Whether torch records operations instead of computing."""
    modes = torch._C._len_torch_dispatch_stack()
    return bool(torch.compiler.is_compiling() or torch._C._get_tracing_state() or modes)
