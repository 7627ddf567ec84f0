"""Write drawn faces in the layouts of CelebA and UTKFace: both presets run without these datasets."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from zatlas.data import faces

WIDE, HIGH = 178, 218  # an aligned image of CelebA
BLOCK = 256


def celeba(folder: Path, count: int) -> Path:
    """Write images, attributes and split in CelebA's layout; return the folder."""
    if (folder / "list_attr_celeba.txt").exists():
        return folder
    factors = faces.factors(count, seed=0, correlated=True)
    table = {k: v for k, v in faces.attributes(factors).items() if v.dtype == bool}
    files = [f"{number:06d}.jpg" for number in range(1, count + 1)]
    left = (HIGH - WIDE) // 2
    (folder / "img_align_celeba").mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(files, _draw_blocks(factors, count, HIGH), strict=True):
        cut = pixels[:, :, left : left + WIDE].transpose(1, 2, 0)
        Image.fromarray(cut).save(folder / "img_align_celeba" / name, quality=95)
    lines = [str(count), " ".join(table)]
    signs = np.stack([np.where(column, 1, -1) for column in table.values()], axis=1)
    lines += [f"{name} " + " ".join(map(str, row)) for name, row in zip(files, signs, strict=True)]
    parts = np.select([np.arange(count) % 10 == 9, np.arange(count) % 10 == 8], [2, 1], 0)
    split = [f"{name} {part}" for name, part in zip(files, parts, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join(split) + "\n")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    return folder


def utkface(folder: Path, count: int) -> Path:
    """Write images with UTKFace's names, age_gender_race_date; return the folder."""
    if folder.exists():
        return folder
    factors = faces.factors(count, seed=1, correlated=True)
    folder.mkdir(parents=True)
    ages = (5 + 80 * factors["age"]).astype(int)
    races = (4 * factors["skin_tone"]).astype(int)
    for number, pixels in enumerate(_draw_blocks(factors, count, 128)):
        gender = 0 if factors["male"][number] else 1
        name = f"{ages[number]}_{gender}_{races[number]}_{20170101000000000 + number}.jpg"
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / name, quality=95)
    return folder


def _draw_blocks(factors: dict[str, np.ndarray], count: int, size: int) -> Iterator[np.ndarray]:
    for start in range(0, count, BLOCK):
        yield from faces.draw({k: v[start : start + BLOCK] for k, v in factors.items()}, size)
