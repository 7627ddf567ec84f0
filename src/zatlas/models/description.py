"""What a model is, in words that fit in a file's metadata: enough, with its weights, to make it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from zatlas.core.errors import BadRun, Damaged
from zatlas.core.fields import fill
from zatlas.core.registry import MODELS, NETS
from zatlas.models.generator import Generator
from zatlas.models.nets import Shape
from zatlas.models.trainable import Trainable
from zatlas.store import atomic

FORMAT = 1
KEY = "zatlas"  # of the metadata


@dataclass(frozen=True)
class Description:
    """A family and a net by name with their settings, and the images they are for."""

    family: str
    model: Mapping[str, Any]
    net: str
    layers: Mapping[str, Any]
    shape: Shape
    classes: tuple[str, ...] = ()

    def build(self) -> nn.Module:
        """A new model with weights as torch's generator gives them."""
        family = fill(MODELS.get(self.family), self.model, "model")
        net = fill(NETS.get(self.net), self.layers, "net")
        model: nn.Module = family.build(net, self.shape, len(self.classes))
        return model


def save_weights(path: Path, description: Description, state: Mapping[str, Tensor]) -> Path:
    """One file that is the model: its weights, with its description as their metadata."""
    text = json.dumps({"format": FORMAT, **asdict(description)}, sort_keys=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return atomic.write_file(path, save(tensors, metadata={KEY: text}))


def load_weights(path: Path) -> tuple[Description, nn.Module]:
    """The model of such a file, ready to be used."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise BadRun(
            f"There are no weights at {path}: the run has not trained long enough."
        ) from None
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{path} cannot be read as safetensors: {error}.") from error
    if text is None:
        raise BadRun(f"{path} holds weights, but not what model they belong to.")
    found = json.loads(text)
    if found.pop("format") > FORMAT:
        raise BadRun(f"{path} was written by a newer zatlas. Update: pip install -U zatlas")
    found["shape"], found["classes"] = tuple(found["shape"]), tuple(found["classes"])
    description = Description(**found)
    with torch.random.fork_rng():
        model = description.build()
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise Damaged(f"{path} does not hold the weights that it describes: {error}") from error
    return description, model.eval()


def generator(description: Description, model: nn.Module, device: str = "cpu") -> Generator:
    """The model as the rest of the library sees it."""
    known = cast(Trainable, model.to(device))
    classes = description.classes if known.classes else ()
    return Generator(known.space, known.decode, known.encode, classes, device)
