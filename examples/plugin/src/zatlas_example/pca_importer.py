"""An importer: a PCA of images, saved as an .npz file with the arrays mean, components and std."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zatlas.models.importers.imported import Halves, ImportOptions, SourceInfo
from zatlas.models.importers.importer import Importer

ARRAYS = {"mean", "components", "std"}  # (h, w), (d, h, w) and (d,)


class PCAImporter(Importer):
    """Latents are the coordinates along the components, in standard deviations."""

    summary = "a PCA of images (.npz with mean, components and std)"
    data_only = True  # `load` reads arrays and runs nothing that is in the file

    def matches(self, source: Path) -> bool:
        """Return whether this is such a file."""
        if source.suffix != ".npz":
            return False
        with np.load(source, allow_pickle=False) as file:
            return set(file.files) == ARRAYS

    def write(self, source: Path, folder: Path, options: ImportOptions) -> SourceInfo:
        """Copy the file into the run, and describe the model."""
        shutil.copyfile(source, folder / "weights.npz")
        with np.load(source, allow_pickle=False) as file:
            count = len(file["components"])
        return SourceInfo(
            "pca",
            files={"weights": "weights.npz"},
            shapes=((count,),),
            pixels="unit",
            layout="nchw",
            lines=(f"A PCA with {count} components.",),
        )

    def load(self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str) -> Halves:
        """Return the decoder and the encoder."""
        with np.load(files["weights"], allow_pickle=False) as file:
            mean, components, std = (
                torch.from_numpy(file[name]).float().to(device) for name in ("mean", "components", "std")
            )

        def decode(z: torch.Tensor) -> torch.Tensor:
            return (mean + torch.einsum("nd,dhw->nhw", z * std, components))[:, None]

        def encode(x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("nhw,dhw->nd", x[:, 0] - mean, components) / std

        return Halves(decode, encode)
