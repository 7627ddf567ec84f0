"""A connection to ray: to the cluster of RAY_ADDRESS, or to one that runs on this machine meanwhile."""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from zatlas.core.extras import require

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
MEMORY = 256 << 20  # bytes of ray's object store; few objects go between processes


@contextmanager
def ray_cluster(purpose: str) -> Iterator[Any]:
    """Yield the module ray, connected; an existing connection is reused. errors name the `purpose`."""
    with _environment(QUIET):
        require("ray", f"{purpose} on a cluster")
        import ray
        import ray.data

        if ray.is_initialized():
            yield ray
            return
        local: dict[str, Any] = {"include_dashboard": False, "object_store_memory": MEMORY}
        handler = signal.getsignal(signal.SIGTERM)
        options = {} if os.environ.get("RAY_ADDRESS") else local
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # ray's own handler ends the process without a message
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set the environment variables that are not set, and remove them after the block."""
    missing = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
