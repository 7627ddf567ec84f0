"""Build nets from untrusted descriptions: their sizes are checked before memory is allocated."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zatlas.core.errors import BadRun, Damaged, ZatlasError

SPARE_PARAMETERS = 100  # parameters that a net may register beyond four times the tensors of its file
MAX_LISTED = 4  # names in an error message
LARGEST_SIDE, LARGEST_SIZE = 1 << 24, 1 << 28  # limits of each size in a shape, and of their product


class _TooMany(Exception):
    """A net has more parameters than its file holds."""


def build_checked(make: Callable[[], nn.Module], state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """Return the net that `make` makes, with the weights `state` of the file at `path`.

    It is first made on torch's meta device, which allocates no memory, and compared with the weights.
    """
    try:
        with _at_most(4 * len(state) + SPARE_PARAMETERS), torch.device("meta"):
            expected = {name: tuple(tensor.shape) for name, tensor in make().state_dict().items()}
    except _TooMany:
        raise Damaged(
            f"{path} describes a net with more weights than the file holds. Download or train it again."
        ) from None
    except Exception as error:  # a wrong description can make a net fail in any way
        reason = str(error) if isinstance(error, ZatlasError) else type(error).__name__
        raise BadRun(f"{path} describes a net that cannot be built: {reason}") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    names = sorted(expected.keys() | shapes.keys())
    different = [name for name in names if expected.get(name) != shapes.get(name)]
    if different:
        listed = ", ".join(different[:MAX_LISTED]) + (" ..." if len(different) > MAX_LISTED else "")
        raise Damaged(f"{path} does not hold the weights that it describes: {listed}.")
    with torch.random.fork_rng():
        net = make()
    net.load_state_dict(state)
    return net


def shape_of(value: object, path: Path, name: str = "shape") -> tuple[int, ...]:
    """Return `value` as a shape: positive integers, whose product is a possible size of an array."""
    sizes = tuple(value) if isinstance(value, (list, tuple)) else ()
    integers = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if not sizes or not integers or not all(1 <= size <= LARGEST_SIDE for size in sizes):
        raise BadRun(f"{path} has the {name} {str(value)[:60]}, which is not the shape of an array.")
    if math.prod(sizes) > LARGEST_SIZE:
        raise BadRun(f"{path} has the {name} {sizes}, which is too large for memory.")
    return sizes


def image_shape(value: object, path: Path) -> tuple[int, int, int]:
    """Return `value` as the shape of an image: channels, height and width."""
    sizes = shape_of(value, path)
    if len(sizes) != 3:
        raise BadRun(f"{path} has the shape {sizes}. The shape of an image is channels, height, width.")
    return sizes[0], sizes[1], sizes[2]


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Let this thread register at most `count` parameters of modules; raise `_TooMany` beyond that."""
    owner, left = threading.get_ident(), count

    def check_count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        if threading.get_ident() == owner:
            left -= 1
            if left < 0:
                raise _TooMany

    hook = register_module_parameter_registration_hook(check_count)
    try:
        yield
    finally:
        hook.remove()
