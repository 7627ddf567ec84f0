"""A prior that was fitted to a run's latents, as a page reads it: the run's own file."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from zatlas.sample import saved_prior
from zatlas.site.quantize import half, plain
from zatlas.site.subset import numbered_samples
from zatlas.store import digests
from zatlas.workspace import Workspace


def fitted_prior(
    workspace: Workspace, kind: str, folder: str
) -> tuple[dict[str, Any], Mapping[str, Callable[[], bytes]]]:
    """The manifest entry of the prior of this kind, and its files; fits it now if the run has none."""
    saved = saved_prior(workspace, kind)
    data, name = digests.read(saved.path), f"prior-{kind}.safetensors"
    samples = numbered_samples(workspace, kind)
    entry = {
        "kind": kind,
        "url": f"{folder}/{name}",
        "bytes": len(data),
        "samples": f"{folder}/samples-{kind}.f16",
        "log_density": plain(saved.description.nats)[0],
        "model_log_density": plain(saved.description.own_prior)[0],
        "stamp": hashlib.sha256(data).hexdigest()[:8],
    }
    return entry, {name: lambda: data, f"samples-{kind}.f16": lambda: half(samples)}
