"""What the files of an imported run say: the recipe of its images, and made.json."""

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from zatlas.core.errors import BadData
from zatlas.data import sources
from zatlas.models.importers import latents_file
from zatlas.models.importers.imported import ImportedModel, shape_text
from zatlas.store.run import FORMAT


def recipe_of(data: str, info: ImportedModel, side: Path) -> tuple[bytes, str]:
    """Return the table [data] of a recipe and the images' fingerprint; `BadData` if they do not fit."""
    name, options = sources.resolve(data)
    _, height, width = info.image
    if info.kind == "latents":
        size = options.pop("size", None)
    else:
        size = options.pop("size", height if height == width else None)
    images = sources.load(name, size=size, **options)
    if info.kind == "latents":
        count = len(latents_file.read(side / info.files["latents"]))
        if count != len(images):
            raise BadData(
                f"{data} has {len(images):,} images, but there are {count:,} latents. Give one per image."
            )
    elif images.shape != info.image:
        raise BadData(
            f"The images of {data} are {shape_text(images.shape)} (channels, height, width), but those of "
            f"this model are {shape_text(info.image)}. Give images of that shape, or none."
        )
    table = {"source": name, "size": size, **options}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
    text = "# Images for an imported model.\n[data]\n" + "\n".join(lines) + "\n"
    return text.encode(), images.fingerprint


def provenance_of(info: ImportedModel) -> dict[str, Any]:
    """Return the content of made.json."""
    return {
        "format": FORMAT,
        "zatlas": version("zatlas"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "imported": asdict(info),
    }
