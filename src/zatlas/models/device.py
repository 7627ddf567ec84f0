"""The device that a model runs on."""

import torch

from zatlas.core.errors import NotSupported, UnknownName

GPUS = ("cuda", "mps")  # kinds of GPU that zatlas supports: Nvidia or AMD, and Apple
BATCH_VALUES = {"cpu": 1 << 19}  # of the images in a batch; more, and layers leave the processor's cache
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
    fitting = BATCH_VALUES.get(device, BATCH_VALUES_GPU) // max(values, 1)
    return min(1 << max(fitting.bit_length() - 1, 0), largest)
