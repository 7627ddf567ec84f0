"""Cases in which a file or a folder of the run is a link, a pipe, or something else than it should be."""

import os
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.case import WITH_GALLERY, Case, cleared
from tests.hostile.reader import USUAL
from tests.hostile.world import World

FILES = (
    "recipe.toml",
    "made.json",
    "weights.safetensors",
    "metrics.jsonl",
    "result.json",
    "data_report.json",
    ".lock",
    "digests.jsonl",
    "classifier.safetensors",
    "predictions.parquet",
    "inverter.safetensors",
    "curves.png",
    "report.html",
    "sweep.json",
    "latents/*-test.parquet",
    "latents/*-train.parquet",
    "charts/*.safetensors",
    "priors/mixture.safetensors",
    "directions/*.safetensors",
    "checkpoints/*/state.safetensors",
    "checkpoints/*/meta.json",
    "checkpoints/*/MANIFEST.json",
    "previews/*.png",
    "site/*/decoder.onnx",
    "site/*/encoder.onnx",
    "site/*/*/entry.json",
    "site/*/*/table.arrow",
    "site/*/*/sprites-0.png",
    "gallery/index.html",
    "gallery/samples.png",
)
FOLDERS = (
    "codes",
    "charts",
    "priors",
    "directions",
    "checkpoints",
    "checkpoints/*",
    "previews",
    "gallery",
    "site",
    "site/*",
    "site/*/*",
    "tensorboard",
)
TO_FILES = ("secret", "secret-relative", "folder", "new", "fifo", "device", "loop", "hard", "a-folder")
TO_FOLDERS = ("documents", "ssh-relative", "new", "loop", "device", "fifo", "upwards", "a-file")
TIMES = {FILES: 3, FOLDERS: 5}  # kinds for each name, of those above


def cases() -> Iterator[Case]:
    """Each file and folder with some kinds in turn, so that every kind meets many names."""
    for names, kinds in ((FILES, TO_FILES), (FOLDERS, TO_FOLDERS)):
        for number, name in enumerate(names):
            chosen = [kinds[(number + i) % len(kinds)] for i in range(TIMES[names])]
            for kind in chosen:
                sampled = name.startswith(("gallery", "curves", "codes")) and kind == chosen[0]
                yield Case(
                    f"link {name} {kind}",
                    _replaced(name, kind),
                    WITH_GALLERY if sampled else USUAL,
                    sealed=kind != "hard",  # nobody knows the digest of a victim's file
                )


def _replaced(name: str, kind: str):
    def change(world: World) -> None:
        names = sorted(world.run.glob(name))
        path = names[0] if names else world.run / name.replace("*", "x")
        was = path.read_bytes() if path.is_file() and kind == "device" else b""
        replace(world, cleared(path), kind, was)

    return change


def replace(world: World, path: Path, kind: str, was: bytes = b"") -> None:
    """Put a link, a pipe or something of this kind at a path."""
    home = world.home
    targets = {
        "secret": home / ".bashrc",
        "folder": home / ".ssh",
        "documents": home / "Documents",
        "new": home / ".config" / "autostart" / "evil.desktop",
        "device": Path("/dev/zero"),
        "loop": path,
    }
    if kind in targets:
        path.symlink_to(targets[kind])
    elif kind == "secret-relative":
        path.symlink_to(os.path.relpath(home / "Documents" / "secret.txt", path.parent))
    elif kind == "ssh-relative":
        path.symlink_to(os.path.relpath(home / ".ssh", path.parent))
    elif kind == "upwards":
        path.symlink_to("..")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "hard":
        path.hardlink_to(home / ".bashrc")
    elif kind == "a-folder":
        path.mkdir()
    else:
        path.write_bytes(was or b"a file")
