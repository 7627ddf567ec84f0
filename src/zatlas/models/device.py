"""The device that a model runs on."""

from typing import TypeVar

import torch
from torch import nn

from zatlas.core.errors import NotSupported, UnknownName

Network = TypeVar("Network", bound=nn.Module)

GPUS = ("cuda", "mps")  # kinds of GPU that zatlas supports: Nvidia or AMD, and Apple
BATCH_VALUES = 1 << 19  # of the images in a batch; more, and layers leave the processor's cache
BATCH_VALUES_GPU = 1 << 21


def resolve_device(device: str = "auto") -> str:
    """Return the device of this name; for "auto" the GPU, if torch has one that zatlas supports, else "cpu".

    A device that this machine does not have is an error.
    """
    current = torch.accelerator.current_accelerator(check_available=True)
    gpu = current.type if current is not None and current.type in GPUS else None
    if device == "auto":
        return gpu or "cpu"
    if device not in ("cpu", *GPUS):
        raise UnknownName("device", device, ("auto", "cpu", *GPUS))
    if device not in ("cpu", gpu):
        raise NotSupported(f"This machine has no {device} device. Use device='auto' or device='cpu'.")
    return device


def images_per_batch(values: int, device: str, largest: int = 256) -> int:
    """Return how many images of this many values a network takes at a time: a power of two."""
    fitting = (BATCH_VALUES if device == "cpu" else BATCH_VALUES_GPU) // max(values, 1)
    return min(1 << max(fitting.bit_length() - 1, 0), largest)


def channels_last(model: Network) -> Network:
    """Store the weights in the order in which convolutions are quicker, and return the model."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model
