"""From names to latents: an image by number, class, attribute or file, a direction, or a random latent."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Images, Latents, Rows, as_latents
from zatlas.core.errors import BadData, BadRecipe, NotFound, NotSupported, ShapeError, UnknownName
from zatlas.core.logs import LOG
from zatlas.data.image_dataset import NO_LABEL, SPLITS
from zatlas.data.image_input import as_images
from zatlas.directions.find import known_names, store_of
from zatlas.directions.types import in_std, is_nonlinear
from zatlas.encoder import invert, predict_class
from zatlas.latent.arithmetic import Group
from zatlas.latent.attributes import flags_of, title_of
from zatlas.latent.curves import Curve
from zatlas.latent.interpolation import interpolate_latents
from zatlas.latent.names import RANDOM, ParsedName, find, parse, split_list, split_terms, text_of
from zatlas.latent.neighbors import nearest
from zatlas.latent_source import Given
from zatlas.sample import NUMBERED, numbered_sample
from zatlas.store.latent_table import LatentTable
from zatlas.workspace import Workspace

DIRECTION_STEP = 2.0  # standard deviations from the mean to the anchor of a direction
NAME_HELP = (
    "Name an image by its number (7), a class or an attribute (Sneaker, Smiling, 'not Male', "
    "class:4, or Sneaker:3 for the fourth of them), an image file, or random (random:5 is sample 5; "
    "mixture:5 or flow:5 of a fitted prior)."
)


AnchorLike = Any  # a name, the number of an image, a path, an `Anchor`, or one latent (dim,)


@dataclass(frozen=True)
class Anchor:
    """A named latent, and the real image that it belongs to, if there is one."""

    name: str  # as a person types it
    latent: Latents  # one row
    image: Images | None = None  # one row
    label: int | None = None
    title: str = ""  # for figures

    def __repr__(self) -> str:
        return f"<Anchor {self.title or self.name}>"


def locate(workspace: Workspace, name: AnchorLike, label: int | None = None) -> Anchor:
    """Return the latent that a text names: "7", "Sneaker:3", "not Smiling", "face.png", "random:5".

    Also accepted: the number of an image, a path, an anchor, and a latent. `label` is the class of an image
    file, for a conditional model; without it, zatlas predicts the class.
    """
    if isinstance(name, Anchor):
        return name
    if not isinstance(name, str | os.PathLike | int | np.integer):
        latent = as_latents(name, *workspace.generator.space.shape)
        if len(latent) != 1:
            raise ShapeError(f"An anchor is one latent, and these are {len(latent)}. Pass them one by one.")
        workspace.generator.class_numbers(1, label)  # raises if images decode without a class
        return Anchor("latent", latent, label=label, title="latent")
    text = os.fspath(name) if isinstance(name, os.PathLike) else str(name)
    names = known_names(workspace)
    if not workspace.source.indexed:
        names = replace(names, classes=workspace.generator.class_names or names.classes)
        if find(text, names) is None:
            word, classes = re.sub(r"^(not )?(class:)?|:\d+$", "", text), workspace.generator.class_names
            if classes and word not in classes:
                raise UnknownName("class", word, classes)
            raise _no_images(workspace, text)
    return _anchor(workspace, text, parse(text, names), label)


def _anchor(workspace: Workspace, text: str, name: ParsedName, label: int | None = None) -> Anchor:
    sampled = name.kind in RANDOM or (name.kind == "row" and workspace.source.kind == "sample")
    if not sampled:
        workspace.generator.class_numbers(1, label)  # raises if images decode without a class
    if name.kind in RANDOM:
        prior = "model" if name.kind == RANDOM[0] else name.kind
        latent = numbered_sample(workspace, name.number or 0, prior, label)
        return Anchor(text, latent, title=title_of(replace(name, text=name.kind)))
    if name.kind == "row":
        return _numbered(workspace, name.number or 0, text, label)
    if name.kind == "image":
        return _of_dataset(workspace, name.number or 0, text)
    if name.kind == "file":
        return _from_file(workspace, Path(name.text), label)
    if name.kind == "direction":
        latent = _moved(workspace, name, workspace.cloud.mean(axis=0, keepdims=True))
        return Anchor(text, latent, title=title_of(name))
    return _typical(workspace, text, name)


def locate_all(
    workspace: Workspace, texts: Sequence[AnchorLike], *, seed: int = 0, label: int | None = None
) -> list[Anchor]:
    """Return the anchors of several texts. Each "random" without a number gets the next one from `seed` on.

    `label` is the class of image files, as for `locate`.
    """
    anchors = []
    for text in texts:
        if isinstance(text, str) and text in RANDOM:
            text = f"{text}:{seed}"
            seed += 1
        anchors.append(locate(workspace, text, label))
    return anchors


def interpolate(
    workspace: Workspace,
    anchors: Sequence[AnchorLike],
    method: str | None = None,
    *,
    closed: bool = False,
    constant_speed: bool = False,
    label: int | None = None,
) -> Curve:
    """Return the curve through two anchors or more, given by name or as latents.

    With `constant_speed`, the image changes by the same amount in each step.
    """
    z = np.concatenate([anchor.latent for anchor in locate_all(workspace, anchors)])
    if len(z) < 2:
        raise ShapeError("An interpolation needs 2 anchors or more. Name another one.")
    return interpolate_latents(
        workspace.generator.for_class(label), z, method, closed=closed, constant_speed=constant_speed
    )


def locate_latents(workspace: Workspace, text: str) -> Latents:
    """Return latents by the names of images ("3,14,15"), a file of such names, or an .npy file of latents."""
    path = Path(text)
    if path.suffix not in (".npy", ".txt", ".csv"):
        return np.concatenate([anchor.latent for anchor in locate_all(workspace, split_list(text))])
    if not path.is_file():
        raise NotFound(f"There is no file {path}. Name images instead, such as 3,14,15.")
    if path.suffix == ".npy":
        try:
            return np.asarray(np.load(path, allow_pickle=False), np.float32)
        except ValueError as error:
            raise BadData(f"{path} cannot be read as latents: {error}.") from error
    lines = path.read_text(encoding="utf-8").splitlines()
    names = [name for line in lines for name in _names_in(line) if name]
    return np.concatenate([anchor.latent for anchor in locate_all(workspace, names)])


def _names_in(line: str) -> list[str]:
    """The names in a line of a file: separated by commas, or numbers separated by spaces."""
    return line.split() if re.fullmatch(r"[\d\s]+", line) else split_list(line)


def anchor_label(workspace: Workspace, anchor: Anchor) -> int | None:
    """Return the class in which a conditional model decodes an anchor; None for other models."""
    return anchor.label if workspace.generator.classes else None


def default_anchors(workspace: Workspace, count: int, label: int | None = None) -> list[Anchor]:
    """Return anchors to use by default: typical images of classes spread over the list of classes, the first
    test images where there are no classes, or the first samples where images have no latents. `label` is the
    class of these samples.
    """
    if not workspace.source.indexed:
        return locate_all(workspace, [str(number) for number in range(count)], label=label)
    workspace.generator.class_numbers(1, label)  # raises if images decode without a class
    classes = classes_with_images(workspace)
    if len(classes) < count:
        present = min(count, len(workspace.table("test")))
        numbers = [str(number) for number in range(present)]
        return locate_all(workspace, [*numbers, *[RANDOM[0]] * (count - present)])
    chosen = [classes[number * len(classes) // count] for number in range(count)]
    return locate_all(workspace, [class_text(workspace, name) for name in chosen])


def classes_with_images(workspace: Workspace) -> list[str]:
    """Return the names of the classes that have an image."""
    images = workspace.dataset
    if images.labels is None:
        return []
    rows = np.concatenate([workspace.rows("train"), workspace.rows("test")])
    present = set(images.labels[rows].tolist())
    return [name for number, name in enumerate(images.classes) if number in present and name != NO_LABEL]


def class_text(workspace: Workspace, name: str) -> str:
    """Return the name of a class as a person types it."""
    return text_of(ParsedName("class", name), known_names(workspace))


def _numbered(workspace: Workspace, number: int, name: str, label: int | None = None) -> Anchor:
    """The test image of this number; a sample, where images have no latents."""
    source = workspace.source
    title = source.name(number)
    if isinstance(source, Given) and not source.indexed:
        if not 0 <= number < len(source.latents):
            raise ShapeError(f"Latents are numbered from 0 to {len(source.latents) - 1}.")
        return Anchor(name, source.latents[number : number + 1], title=title)
    if not source.indexed:
        if not 0 <= number < NUMBERED:
            raise ShapeError(f"Samples are numbered from 0 to {NUMBERED - 1}; there is no {number}.")
        return Anchor(name, numbered_sample(workspace, number, label=label), title=title)
    latents = workspace.table("test")
    if not 0 <= number < len(latents):
        kind = workspace.dataset.kind_of("test")
        raise ShapeError(
            f"There is no {kind} image {number}: they are numbered from 0 to {len(latents) - 1}."
        )
    return _real(workspace, latents, number, name, title)


def _of_dataset(workspace: Workspace, row: int, text: str) -> Anchor:
    """The image in this row of the dataset, of any split."""
    if not workspace.source.indexed:
        raise _no_images(workspace, text)
    for split in SPLITS:
        index = np.flatnonzero(workspace.rows(split) == row)
        if len(index):
            return _real(workspace, workspace.table(split), int(index[0]), text, text)
    raise ShapeError(f"The data set of {workspace.name} has no image {row} that the model used.")


def _real(workspace: Workspace, table: LatentTable, number: int, name: str, title: str) -> Anchor:
    rows = table.rows[number : number + 1]
    labels = workspace.labels(rows)
    label = None if labels is None else int(labels[0])
    image = None if workspace.source.kind == "latent" else workspace.dataset.images(rows)
    return Anchor(name, table.latents[number : number + 1], image, label, title)


def _typical(workspace: Workspace, text: str, name: ParsedName) -> Anchor:
    """The image nearest to the median of a class or an attribute; with a number, the next ones.

    Held-out images are taken; training images where none is held out, which the title says. Where images have
    no latents, a conditional model has samples of each class.
    """
    if not workspace.source.indexed:
        classes = workspace.generator.class_names
        if name.kind != "class" or name.negated or name.text not in classes:
            raise _no_images(workspace, text)
        label = classes.index(name.text)
        sample = _numbered(workspace, name.number or 0, text, label)
        title = f"{title_of(replace(name, number=None))} ({sample.title})"
        return replace(sample, label=label, title=title)
    table, members, split = _members_of(workspace, replace(name, number=None), ("test", "train"))
    trained_on = split == "train" and workspace.holds_out
    index = name.number or 0
    if index >= len(members):
        kind = f"{workspace.dataset.kind_of(split)} image{'s' * (len(members) > 1)}"
        raise BadData(
            f"There is no {text!r}: {title_of(replace(name, number=None))!r} has {len(members)} {kind}, "
            f"numbered from 0 to {len(members) - 1}."
        )
    latents = table.latents[members]
    median = np.median(latents, axis=0, keepdims=True)
    order = nearest(median, latents, index + 1)[0][0]
    title = title_of(name) + (" (training image)" if trained_on else "")
    return _real(workspace, table, int(members[order[index]]), text, title)


def _no_images(workspace: Workspace, text: str) -> NotSupported:
    missing = "dataset" if workspace.generator.encoder else "encoder"
    return NotSupported(
        f"{text!r} names images, and this model has no {missing}, so its images have no latents. Name "
        "samples by their number, or random."
    )


def _members_of(
    workspace: Workspace, name: ParsedName, splits: Sequence[str]
) -> tuple[LatentTable, Rows, str]:
    """Return the latents of the first split with such an image, the rows of these images, and the split."""
    for split in splits:
        table = workspace.table(split)
        members = np.flatnonzero(flags_of(workspace.dataset, table.rows, name))
        if len(members):
            return table, members, split
    raise BadData(f"{workspace.name} has no image of {title_of(name)!r}. Name another class or attribute.")


def _from_file(workspace: Workspace, path: Path, label: int | None) -> Anchor:
    image = image_of(workspace, path)
    classes = workspace.generator.classes
    if classes and label is None:
        label, reason = predict_class(workspace, image)
        LOG.info(f"{path.name}: class {classes[label]}, {reason}.")
    labels = workspace.generator.class_numbers(1, label)
    label = label if classes else None
    if workspace.generator.encoder is not None:
        return Anchor(path.name, workspace.generator.encode(image, labels), image, label, path.name)
    LOG.info(
        f"This model has no encoder, so zatlas searches for the latent of {path.name}. Train an encoder: "
        f"{workspace.command('invert', workspace.run.folder, '--train-encoder')}"
    )
    result = invert(workspace, image, labels)
    LOG.info(
        f"The decoded latent differs from {path.name} by {result.rms[0]:.1%} of the grey range "
        f"({result.psnr[0]:.1f} dB)."
    )
    return Anchor(path.name, result.latents, image, label, path.name)


def image_of(workspace: Workspace, path: Path) -> Images:
    """Return the image in a file as the model takes it, (1, c, h, w)."""
    if not path.is_file():
        raise NotFound(f"There is no image file {path}. {NAME_HELP}")
    return as_images(path, workspace.description.shape)


def find_groups(workspace: Workspace, text: str) -> list[Group]:
    """Return the terms of "Eyeglasses - not Eyeglasses + Smiling" or "3,14 - 9,26 + a.png"."""
    terms = split_terms(text)
    if not all(term for _, term in terms) or re.match(r"[+-](\s|$)", terms[0][1]):
        raise BadRecipe(
            f"{text!r} is not an equation. Put terms between + and -, with spaces around them, as "
            "'Eyeglasses - not Eyeglasses + Smiling' or '3,14,15 - 9,26,5 + 35,8'."
        )
    return [_group(workspace, sign, term) for sign, term in terms]


def _moved(workspace: Workspace, name: ParsedName, z: Latents) -> Latents:
    """The latent moved along a saved direction, far enough to see it; with "not", backwards."""
    direction = in_std(store_of(workspace).load(name.text))
    return direction.move(z, -DIRECTION_STEP if name.negated else DIRECTION_STEP)


def _step(workspace: Workspace, name: ParsedName) -> Latents:
    """What a saved direction adds to any latent."""
    if is_nonlinear(store_of(workspace).load(name.text)):
        typed = text_of(replace(name, negated=False), known_names(workspace), anchor=False)
        command = workspace.command("edit", workspace.run.folder, typed, "--anchor", "0")
        raise NotSupported(
            f"The nonlinear direction {name.text!r} cannot be used in an equation, because its step depends "
            f"on the starting point. Follow it from an image: {command}"
        )
    return _moved(workspace, name, np.zeros((1, workspace.dim), np.float32))


def _group(workspace: Workspace, sign: int, text: str) -> Group:
    name = find(text, known_names(workspace))
    if name is not None and name.kind == "direction":
        anchor = _anchor(workspace, text, name)
        step = _step(workspace, name)
        return Group(sign, anchor.title, step, workspace.decode(anchor.latent), is_step=True)
    if name is not None and name.kind in ("class", "attribute") and name.number is None:
        return _members(workspace, sign, name)
    parts = [text] if name is not None else split_list(text)
    anchors = [locate(workspace, part) for part in parts]
    images = [
        workspace.decode(anchor.latent, anchor_label(workspace, anchor))
        if anchor.image is None
        else anchor.image
        for anchor in anchors
    ]
    latents = np.concatenate([anchor.latent for anchor in anchors])
    title = anchors[0].title if len(anchors) == 1 else ", ".join(anchor.name for anchor in anchors)
    return Group(sign, title, latents, np.concatenate(images))


def _members(workspace: Workspace, sign: int, name: ParsedName) -> Group:
    """All training images of a class or an attribute; held-out ones where there are no others."""
    if not workspace.source.indexed:
        raise _no_images(workspace, title_of(name))
    table, members, split = _members_of(workspace, name, ("train", "test"))
    latents = table.latents[members]
    typical = nearest(np.median(latents, axis=0, keepdims=True), latents, 3)[0][0]
    images = workspace.dataset.images(table.rows[members[typical]])
    note = " (held-out images)" if split == "test" and workspace.holds_out else ""
    return Group(sign, title_of(name) + note, latents, images)
