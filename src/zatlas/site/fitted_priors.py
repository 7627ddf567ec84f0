"""A prior that was fitted to a run's codes, as a page reads it: the run's own file of it."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from zatlas.sample import saved_prior
from zatlas.site.quantize import plain
from zatlas.store import digests
from zatlas.workspace import Workspace


def fitted(
    workspace: Workspace, kind: str, folder: str
) -> tuple[dict[str, Any], Mapping[str, Callable[[], bytes]]]:
    """What the manifest says of the prior of this kind, and its file; fitted now, if it is not kept yet."""
    saved = saved_prior(workspace, kind)
    data, name = digests.read(saved.path), f"prior-{kind}.safetensors"
    nats, own = plain(saved.description.nats)[0], plain(saved.description.own_prior)[0]
    told = {
        "kind": kind,
        "url": f"{folder}/{name}",
        "bytes": len(data),
        "nats": nats,
        "own": own,
        "stamp": hashlib.sha256(data).hexdigest()[:8],
    }
    return told, {name: lambda: data}
