"""Import weights, from safetensors or a state dict of torch: find their net, or load the user's class."""

import ast
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from zatlas.core.errors import BadData, BadRecipe, Damaged, NotSupported, UnknownName, ZatlasError, first_line
from zatlas.models.description import KEY, generator, load_weights
from zatlas.models.importers import discriminator, stylegan
from zatlas.models.importers.class_outline import outline
from zatlas.models.importers.imported import (
    Find,
    Halves,
    ImportOptions,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.importers.pickle_file import state_of
from zatlas.models.installed import imported, python_path
from zatlas.store.headers import check_header

# Of weights, their file, the options and lines for the user: what the net is, or None.
Recognizer = Callable[[Mapping[str, Tensor], Path, ImportOptions, tuple[str, ...]], SourceInfo | None]

FILE = "weights.safetensors"
MAX_LISTED = 4  # names of weights in an error message
MAX_SHAPES = 40  # of a latent, to try


def write_weights(
    source: Path, side: Path, options: ImportOptions, recognizers: Sequence[Recognizer] = ()
) -> SourceInfo:
    """Convert a file of weights to safetensors in the run; a recognizer finds the net that they belong to."""
    target = side / FILE
    if source.suffix.lower() == ".safetensors":
        if described(source):
            shutil.copyfile(source, target)
            return _from_zatlas(target)
        key, state = options.key or "", part_of(read(source), options.key, source)
    else:
        key, order = state_of(source, target, options.key, side / discriminator.FILE)
        state = read(target)
        state = {name: state[name] for name in order}  # safetensors sorts them
    lines = (f"Weights: {f'those under {key!r}' if key else 'the whole file'}, saved as safetensors.",)
    state = without_prefix(state)
    save_file(state, target)
    if options.module:
        return _with_module(options.module, state, target, lines)
    if stylegan.matches(state):
        return stylegan.write_state(source, side, state, options)
    (side / discriminator.FILE).unlink(missing_ok=True)
    for recognize in recognizers:
        if (result := recognize(state, target, options, lines)) is not None:
            return result
    raise NotSupported(
        f"{source} holds weights without their net. Name your own class, as --module package.module:Class "
        "(in Python: module=). Complete this one and save it as net.py, in a folder of PYTHONPATH, for "
        "--module net:Net:\n" + outline(state)
    )


def load(files: Mapping[str, Path], settings: Mapping[str, Any], find: Find = imported) -> Halves:
    """Return the net with its weights; `find` imports the module of a user's class."""
    path = file_of(files, "weights")
    if "ours" in settings:
        description, model = load_weights(path)
        trained = generator(description, model)
        return Halves(trained.decoder, trained.encoder, model, labelled=bool(trained.classes))
    state = as_float(read(path))
    model = module_of(str(settings["module"]), find=find)
    load_exactly(model, state, str(settings["module"]))
    decode, encode = getattr(model, "decode", model), getattr(model, "encode", None)
    return Halves(decode, encode, no_gradient(model), last=last_of(model))


def described(path: Path) -> bool:
    """Return whether zatlas wrote the file, with a description of the model."""
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError, Damaged) as error:
        raise BadData(f"{path} cannot be read as safetensors: {first_line(error)}.") from error


def part_of(state: dict[str, Tensor], key: str | None, source: Path) -> dict[str, Tensor]:
    """Return the weights whose names start with `key`, without that prefix."""
    if not key:
        return state
    start = f"{key}."
    part = {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}
    if not part:
        raise UnknownName(f"key in {source.name}", key, sorted({name.partition(".")[0] for name in state}))
    return part


def without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefixes that DistributedDataParallel and torch.compile add to all names."""
    for start in ("module.", "_orig_mod."):
        if all(name.startswith(start) for name in state):
            state = {name.removeprefix(start): tensor for name, tensor in state.items()}
    return state


def prefix_of(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Return the prefix under which the weights have exactly the expected names; "" if there is none."""
    first = next(iter(expected), "")
    starts = [name.removesuffix(f".{first}") for name in state if name.endswith(f".{first}")]
    for start in starts:
        under = {name.removeprefix(f"{start}.") for name in state if name.startswith(f"{start}.")}
        if under == expected.keys():
            return start
    return ""


def load_exactly(model: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load these weights into a model; `BadData` unless names and shapes match exactly."""
    expected = model.state_dict()
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    resized = [key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape]
    verbs = (("lack", missing), ("also have", extra), ("have other shapes for", resized))
    reasons = [
        f"{verb} {', '.join(names[:MAX_LISTED])}{' ...' if len(names) > MAX_LISTED else ''}"
        for verb, names in verbs
        if names
    ]
    if reasons:
        raise BadData(
            f"These weights do not fit {name}: they {' and '.join(reasons)}. Choose a part of the file "
            "with --key (in Python: key=), or another net."
        )
    model.load_state_dict(dict(state))


def module_of(text: str, config: Mapping[str, Any] | None = None, find: Find = imported) -> nn.Module:
    """Return an instance of a user's class: package.module:Class or package.module:Class(100, width=64).

    The class must be a torch module and its arguments literals, so a run's text cannot call anything else.
    """
    module, _, call = text.partition(":")
    name, args, kwargs = _call(text, call)
    try:
        cls = getattr(find(module), name)
    except ZatlasError:
        raise
    except AttributeError:
        raise NotSupported(f"{module} has no class {name}. Check the name.") from None
    except Exception as error:  # the user's own code
        raise NotSupported(
            f"{module} cannot be imported: {first_line(error)}. Install it, or add its folder to PYTHONPATH; "
            "the current folder and the folder that contains the run are not searched."
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise NotSupported(f"{text} is not a torch.nn.Module class. Name one as package.module:Class.")
    if config is not None and not args and not kwargs:
        args = [SimpleNamespace(**config)]
    try:
        model: nn.Module = cls(*args, **kwargs)
    except ZatlasError:
        raise
    except Exception as error:  # the user's own code
        raise NotSupported(
            f"{text} cannot be created: {first_line(error)}. Give its arguments, as {name}(100, width=64)."
        ) from error
    return model


def import_for_user(name: str) -> ModuleType:
    """Import a module that the user named: installed, or in a folder of PYTHONPATH."""
    return imported(name, python_path())


def _call(text: str, call: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Return the class name, arguments and keyword arguments of a call with literals only."""
    try:
        tree = ast.parse(call, mode="eval").body
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            kwargs = {keyword.arg or "**": ast.literal_eval(keyword.value) for keyword in tree.keywords}
            return tree.func.id, [ast.literal_eval(arg) for arg in tree.args], kwargs
        if isinstance(tree, ast.Name):
            return tree.id, [], {}
    except (SyntaxError, ValueError):
        pass
    raise BadRecipe(
        f"{text!r} does not name a class. Write package.module:Class or package.module:Class(100, width=64)."
    )


def last_of(model: nn.Module) -> str:
    """Return the class name of a module's last layer, in lower case."""
    leaves = [module for module in model.modules() if not any(True for _ in module.children())]
    return type(leaves[-1]).__name__.lower() if leaves else ""


def first_shapes(state: Mapping[str, Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return shapes of a latent that the first weights suggest, the most likely first."""
    first = next((tensor for tensor in state.values() if tensor.ndim in (2, 4)), None)
    if first is None:
        return ()
    a, b = int(first.shape[0]), int(first.shape[1])  # a linear layer takes b, a transposed convolution a
    if first.ndim == 2:
        return ((b,), (b, 1, 1))
    return ((a, 1, 1), (a,), (b, 1, 1), (b,))


def every_shape(state: Mapping[str, Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a latent that any layer could take, the most likely first."""
    shapes = list(first_shapes(_decoder_weights(state)))
    # A VAE decodes from a layer in its middle, whose input is narrow.
    layers = [(int(tensor.shape[1]),) for tensor in state.values() if tensor.ndim == 2]
    points = [(int(tensor.shape[0]), 1, 1) for tensor in state.values() if tensor.ndim == 4]
    return tuple(dict.fromkeys([*shapes, *sorted(layers), *sorted(points)]))[:MAX_SHAPES]


def _from_zatlas(path: Path) -> SourceInfo:
    description, model = load_weights(path)
    space = generator(description, model).space
    assert space.prior != "mapped"  # a trained model has one space
    lines = (f"Weights that zatlas wrote: {description.family} with the net {description.net}.",)
    return SourceInfo(
        "weights",
        {"weights": FILE},
        {"ours": True},
        (space.shape,),
        prior=space.prior,
        pixels="unit",
        layout="nchw",
        lines=lines,
    )


def _with_module(
    module: str, state: Mapping[str, Tensor], target: Path, lines: tuple[str, ...]
) -> SourceInfo:
    # A file may hold its weights in any order; a module has them in the order of its layers.
    net = module_of(module, find=import_for_user)
    if prefix := prefix_of(state, net.state_dict()):
        save_file(part_of(dict(state), prefix, target), target)
        lines = (*lines, f"The weights of this class are those under {prefix!r}.")
    shapes = every_shape(dict(net.named_parameters()))
    why = "its first layers accept latents of many shapes"
    return SourceInfo(
        "weights",
        {"weights": FILE},
        {"module": module},
        shapes,
        why,
        lines=(*lines, f"Net: {module}, imported from your Python packages."),
    )


def _decoder_weights(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the weights of the decoder, if names show which they are; else all weights."""
    part = {name: tensor for name, tensor in state.items() if re.match(r"(decoder|generator)\.", name)}
    return part or state
