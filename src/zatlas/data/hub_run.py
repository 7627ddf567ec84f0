"""Runs on the Hugging Face hub: which files of a run belong there, and how a run is fetched.

A fetched run comes from a stranger. Only files that zatlas itself writes are fetched, by their names; the
digests are made anew. Reading them executes nothing: docs/security.md.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zatlas.core.errors import BadRun, NotFound, NotSupported, first_line
from zatlas.core.extras import install_command
from zatlas.core.logs import LOG
from zatlas.core.system import SYSTEM
from zatlas.store import atomic, safe_paths

PREFIX = "hf:"
REPOSITORY = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
FILES = frozenset(
    {
        *("recipe.toml", "made.json", "metrics.jsonl", "result.json"),
        *("weights.safetensors", "inverter.safetensors", "classifier.safetensors"),
    }
)
IMPORTED = re.compile(  # files of imported models
    r"(decoder|encoder|weights|config|latents|labels|diffusion_pytorch_model)[\w-]*"
    r"\.(onnx|pt2|torchscript|safetensors|npz|npy|parquet|json)"
)
FOLDERS = ("directions", "priors")
MAX_FILES = 2000
COMMIT_LETTERS = 12  # of a commit, in the name of a folder


def is_hub_run(run: str | PathLike[str]) -> bool:
    """Return whether this names a run on the hub, such as hf:owner/name."""
    return isinstance(run, (str, Path)) and _text(run).startswith(PREFIX) and not Path(run).exists()


def check_repository(repository: str) -> str:
    """Return the name of a repository; `NotFound` if it is not owner/name."""
    if not REPOSITORY.fullmatch(repository):
        raise NotFound(f"A repository of the hub is named owner/name, not {repository[:80]!r}.")
    return repository


def belongs_to_run(name: str) -> bool:
    """Return whether a file of this name, relative to the run, is pushed and fetched."""
    parts = name.split("/")
    if not all(map(safe_paths.is_safe_name, parts)):
        return False
    if len(parts) == 1:
        return name in FILES or IMPORTED.fullmatch(name) is not None
    return len(parts) == 2 and parts[0] in FOLDERS


def fetch_run(run: str | PathLike[str]) -> Path:
    """Fetch the run hf:owner/name into the cache, unless this version is there, and return its folder."""
    repository = check_repository(_text(run).removeprefix(PREFIX))
    client = hub_client()
    with explained(repository):
        info = client.model_info(repository, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings if belongs_to_run(file.rfilename)}
    if "made.json" not in sizes or len(sizes) > MAX_FILES:
        raise BadRun(f"{PREFIX}{repository} holds no run of zatlas: it needs a made.json and its files.")
    owner, _, name = repository.partition("/")
    folder = SYSTEM.cache_folder() / "hub" / owner / str(info.sha)[:COMMIT_LETTERS] / name
    if folder.is_dir():
        return folder
    megabytes = sum(sizes.values()) / 1e6
    message = f"fetching {PREFIX}{repository}: {len(sizes)} files, {megabytes:,.1f} MB"
    LOG.info(message)
    with TemporaryDirectory() as temporary, atomic.folder(folder, sealed=False, recorded=True) as side:
        for file in sizes:
            with explained(repository):
                path = client.hf_hub_download(repository, file, revision=info.sha, local_dir=temporary)
            (side / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, side / file)
    return folder


def hub_client() -> Any:
    """Return the client of the package huggingface_hub; `NotSupported` if it is not installed."""
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise NotSupported(
            f"The hub needs a package that is not installed: {install_command('hub')}"
        ) from None
    return HfApi(library_name="zatlas")


@contextmanager
def explained(repository: str) -> Iterator[None]:
    """Raise `NotFound`, which says what to check, where the hub refuses or cannot be reached."""
    from huggingface_hub.errors import LocalTokenNotFoundError

    try:
        yield
    except Exception as error:  # many types: of the package, the network and the system
        status = getattr(getattr(error, "response", None), "status_code", 0)
        denied = isinstance(error, LocalTokenNotFoundError) or status in (401, 403)
        advice = "Log in: hf auth login" if denied else "Check the name and the network."
        raise NotFound(f"The hub gave no access to {repository}: {first_line(error)}. {advice}") from error


def _text(run: str | PathLike[str]) -> str:
    return run if isinstance(run, str) else Path(run).as_posix()
