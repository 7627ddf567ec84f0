"""Nets of a description that may be anything: as large as their weights before memory is taken."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zatlas.core.errors import BadRun, Damaged, ZatlasError

SPARE = 100  # parameters that a net may register beyond four times the tensors of its file
LISTED = 4  # names in a sentence
LARGEST_SIDE, LARGEST_SIZE = 1 << 24, 1 << 28  # of a shape: each number, and their product


class _TooMany(Exception):
    """A net has more parameters than its file holds."""


def built(make: Callable[[], nn.Module], state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The net that `make` makes, filled with these weights of the file at `path`.

    It is first made without memory, on torch's meta device, and compared with the weights.
    """
    try:
        with _at_most(4 * len(state) + SPARE), torch.device("meta"):
            wanted = {name: tuple(one.shape) for name, one in make().state_dict().items()}
    except _TooMany:
        raise Damaged(f"{path} describes a net with more weights than it holds.") from None
    except Exception as error:  # a description can be wrong in every way that a net can fail
        words = str(error) if isinstance(error, ZatlasError) else type(error).__name__
        raise BadRun(f"{path} describes a net that cannot be made: {words}") from error
    found = {name: tuple(one.shape) for name, one in state.items()}
    odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if odd:
        listed = ", ".join(odd[:LISTED]) + (" ..." if len(odd) > LISTED else "")
        raise Damaged(f"{path} does not hold the weights that it describes: {listed}.")
    with torch.random.fork_rng():
        net = make()
    net.load_state_dict(state)
    return net


def shape_of(value: object, path: Path, what: str = "shape") -> tuple[int, ...]:
    """A shape as positive whole numbers, of a size that an array can have."""
    sizes = tuple(value) if isinstance(value, (list, tuple)) else ()
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in sizes)
    if not sizes or not whole or not all(1 <= one <= LARGEST_SIDE for one in sizes):
        raise BadRun(f"{path} has the {what} {str(value)[:60]}, which is none of an array.")
    product = 1
    for one in sizes:
        product *= one
    if product > LARGEST_SIZE:
        raise BadRun(f"{path} has the {what} {sizes}: more numbers than fit into memory.")
    return sizes


def image_shape(value: object, path: Path) -> tuple[int, int, int]:
    """Channels, height and width."""
    sizes = shape_of(value, path)
    if len(sizes) != 3:
        raise BadRun(f"{path} has the shape {sizes}; images have channels, height and width.")
    return sizes[0], sizes[1], sizes[2]


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Let this thread register so many parameters of modules and no more."""
    owner, left = threading.get_ident(), count

    def counted(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if threading.get_ident() == owner:
            left -= 1
            if left < 0:
                raise _TooMany

    hook = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        hook.remove()
