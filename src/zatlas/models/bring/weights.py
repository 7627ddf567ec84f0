"""Weights alone, as safetensors or as torch's state dict, with the net that they belong to."""

import ast
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from zatlas.core.errors import BadData, BadRecipe, Damaged, NotSupported, UnknownName, ZatlasError, first_line
from zatlas.core.registry import NETS
from zatlas.models.bring.brought import Asked, Halves, Taken, as_float, file_of, no_gradient
from zatlas.models.bring.pickled import state_of
from zatlas.models.built import built
from zatlas.models.description import KEY, generator, load_weights
from zatlas.models.installed import imported, python_path
from zatlas.models.nets_dcgan import DCGAN
from zatlas.store.headers import check_header

Find = Callable[[str], ModuleType]  # imports a module by its name

FILE = "weights.safetensors"
LISTED = 4  # names of weights in a sentence


def take(source: Path, side: Path, asked: Asked) -> Taken:
    """A file of weights, re-saved into the run as safetensors."""
    into = side / FILE
    if source.suffix.lower() == ".safetensors":
        if described(source):
            shutil.copyfile(source, into)
            return _ours(into)
        save_file(part_of(read(source), asked.key, source), into)
        key = asked.key or ""
    else:
        key = state_of(source, into, asked.key)
    told = (f"Weights: {f'those under {key!r}' if key else 'the whole file'}, kept as safetensors.",)
    state = without_prefix(read(into))
    save_file(state, into)
    if asked.module:
        return _with_module(asked.module, told)
    if asked.net is None:
        raise NotSupported(
            f"{source} holds weights, and not what net they belong to. Name one of ours, as "
            "--net dcgan, or your own, as --module package.module:Class."
        )
    if asked.net != "dcgan":
        known = {**dict.fromkeys(NETS.names()), "dcgan": None}
        if asked.net not in known:
            raise UnknownName("net", asked.net, ["dcgan"])
        raise NotSupported(
            f"The sizes of the net {asked.net} cannot be read off its weights; those of dcgan can. "
            "Weights that zatlas itself wrote need no --net; for others give --module."
        )
    return _dcgan(source, state, into, told)


def load(files: Mapping[str, Path], settings: Mapping[str, Any], find: Find = imported) -> Halves:
    """The net with its weights; `find` imports the module of a person's own class."""
    path = file_of(files, "weights")
    if "ours" in settings:
        description, model = load_weights(path)
        made = generator(description, model)
        return Halves(made.decoder, made.encoder, model, labelled=bool(made.classes))
    state = as_float(read(path))
    if "module" in settings:
        model = module_of(str(settings["module"]), find=find)
        fitted(model, state, str(settings["module"]))
        decode = getattr(model, "decode", model)
        encode = getattr(model, "encode", None)
        return Halves(decode, encode, no_gradient(model), last=last_of(model))
    channels, height, width = settings["image"]
    own, dim = DCGAN(settings["width"]), settings["dim"]
    net = built(lambda: own.decoder((channels, height, width), dim), state, path)
    whole = no_gradient(nn.Sequential(net, nn.Tanh()))
    return Halves(whole, None, whole, last="tanh")


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; its own header decides how large each is, and is checked."""
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError, Damaged) as error:
        raise BadData(f"{path} cannot be read as safetensors: {first_line(error)}.") from error


def described(path: Path) -> bool:
    """Whether zatlas wrote it, with the model's description in it."""
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError, Damaged) as error:
        raise BadData(f"{path} cannot be read as safetensors: {first_line(error)}.") from error


def part_of(state: dict[str, Tensor], key: str | None, source: Path) -> dict[str, Tensor]:
    """The weights whose names begin with a key."""
    if not key:
        return state
    start = f"{key}."
    found = {name.removeprefix(start): one for name, one in state.items() if name.startswith(start)}
    if not found:
        known = sorted({name.partition(".")[0] for name in state})
        raise UnknownName(f"key in {source.name}", key, known)
    return found


def without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names without what training on several GPUs or compiling puts before each."""
    for start in ("module.", "_orig_mod."):
        if all(name.startswith(start) for name in state):
            state = {name.removeprefix(start): one for name, one in state.items()}
    return state


def fitted(model: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Fill a model with these weights, all of them and no others."""
    own = model.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    for words, names in (("lack", missing), ("have besides", extra), ("have in another size", other)):
        if names:
            listed = ", ".join(names[:LISTED]) + (" ..." if len(names) > LISTED else "")
            raise BadData(
                f"These weights do not fit {name}: they {words} {listed}. Choose a part of the file "
                "with --key, or another net."
            )
    model.load_state_dict(dict(state))


def module_of(text: str, config: Mapping[str, Any] | None = None, find: Find = imported) -> nn.Module:
    """An instance of the person's own class, as package.module:Class or package.module:Class(100, width=64).

    Only a torch module is made, of plain values: text in a run's folder can call nothing else.
    """
    where, _, call = text.partition(":")
    name, given, named = _call(text, call)
    try:
        found = getattr(find(where), name)
    except ZatlasError:
        raise
    except AttributeError:
        raise NotSupported(f"There is no {name} in {where}.") from None
    except Exception as error:  # the person's own code
        raise NotSupported(
            f"{where} cannot be imported: {first_line(error)}. Install it, or give the folder that it "
            "lies in as PYTHONPATH; the current folder and the one beside a run are not searched."
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise NotSupported(f"{text} is no class of torch modules, and nothing else is called.")
    if config is not None and not given and not named:
        given = [SimpleNamespace(**config)]
    try:
        made: nn.Module = found(*given, **named)
    except ZatlasError:
        raise
    except Exception as error:  # the person's own code
        raise NotSupported(
            f"{text} cannot be made: {first_line(error)}. Give its values, as {name}(100, width=64)."
        ) from error
    return made


def by_person(name: str) -> ModuleType:
    """The module that the person at the keyboard names: installed, or in a folder of PYTHONPATH."""
    return imported(name, python_path())


def _call(text: str, call: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name of a class and the plain values in the brackets after it."""
    try:
        tree = ast.parse(call, mode="eval").body
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            named = {word.arg or "**": ast.literal_eval(word.value) for word in tree.keywords}
            return tree.func.id, [ast.literal_eval(one) for one in tree.args], named
        if isinstance(tree, ast.Name):
            return tree.id, [], {}
    except (SyntaxError, ValueError):
        pass
    raise BadRecipe(
        f"A module is named as package.module:Class or package.module:Class(100, width=64), not {text!r}."
    )


def last_of(model: nn.Module) -> str:
    """The name of a module's last layer, in small letters."""
    leaves = [one for one in model.modules() if not any(True for _ in one.children())]
    return type(leaves[-1]).__name__.lower() if leaves else ""


def first_shapes(state: Mapping[str, Tensor]) -> tuple[tuple[int, ...], ...]:
    """Shapes of a point that the first weights suggest, the likeliest first."""
    first = next((one for one in state.values() if one.ndim in (2, 4)), None)
    if first is None:
        return ()
    wide, narrow = int(first.shape[0]), int(first.shape[1])
    if first.ndim == 2:
        return ((narrow,), (narrow, 1, 1))
    return ((wide, 1, 1), (wide,), (narrow, 1, 1), (narrow,))


def _ours(path: Path) -> Taken:
    description, model = load_weights(path)
    space = generator(description, model).space
    told = (f"Weights of zatlas's own: {description.family} with the net {description.net}.",)
    return Taken(
        "weights",
        {"weights": FILE},
        {"ours": True},
        (space.shape,),
        prior=space.prior,
        pixels="unit",
        layout="nchw",
        told=told,
    )


def _with_module(module: str, told: tuple[str, ...]) -> Taken:
    made = module_of(module, find=by_person)  # whose weights are in order, as those of a file need not be
    shapes = first_shapes(_decoding(dict(made.named_parameters())))
    why = "its first layers take points of many shapes"
    return Taken(
        "weights",
        {"weights": FILE},
        {"module": module},
        shapes,
        why,
        told=(*told, f"Net: {module}, imported from what is installed here."),
    )


def _decoding(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of the decoder, where names tell it from an encoder."""
    part = {name: one for name, one in state.items() if re.match(r"(decoder|generator)\.", name)}
    return part or state


def _dcgan(source: Path, state: dict[str, Tensor], into: Path, told: tuple[str, ...]) -> Taken:
    renamed: dict[tuple[int, str], Tensor] = {}
    for name, one in state.items():
        match = re.fullmatch(r"(?:.*\.)?(\d+)\.(\w+)", name)
        if match is None:
            raise BadData(f"{source} has weights {name!r}, which no dcgan has.")
        renamed[int(match[1]), match[2]] = one
    layers = [renamed[place] for place in sorted(renamed) if renamed[place].ndim == 4]
    if len(layers) < 2 or any(tuple(one.shape[2:]) != (4, 4) for one in layers):
        raise BadData(f"The weights of {source} are no dcgan's, which are transposed convolutions of 4x4.")
    dim, channels = int(layers[0].shape[0]), int(layers[-1].shape[1])
    width, side = int(layers[-1].shape[0]), 2 ** (len(layers) + 1)
    image = [channels, side, side]
    settings = {"net": "dcgan", "dim": dim, "width": width, "image": image}
    save_file({f"main.{number}.{name}": one for (number, name), one in renamed.items()}, into)
    wide = "-".join(str(int(one.shape[0])) for one in layers) + f"-{channels}"
    net = f"Net: dcgan {wide}, read off the weights: {dim} coordinates to {side}x{side} pixels."
    return Taken("weights", {"weights": FILE}, settings, ((dim, 1, 1),), layout="nchw", told=(*told, net))
