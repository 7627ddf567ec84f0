"""Ray, for work on several machines: started for as long as it is needed, or the cluster of RAY_ADDRESS."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zatlas.core.errors import NotSupported

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
MEMORY = 256 << 20  # bytes that ray keeps for what goes between processes, which is little


@contextmanager
def ray_cluster(what: str) -> Iterator[Any]:
    """The module ray, connected, for `what` in words; one that runs already is used and left alone."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise NotSupported(f"{what} on a cluster takes ray. Install it: pip install 'zatlas[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    elsewhere = os.environ.get("RAY_ADDRESS")
    local: dict[str, Any] = {"include_dashboard": False, "object_store_memory": MEMORY}
    mine = signal.getsignal(signal.SIGTERM)
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **({} if elsewhere else local))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, mine)  # ray would end the process without a word
    try:
        yield ray
    finally:
        ray.shutdown()
