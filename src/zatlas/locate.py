"""What one can name: an image by its number, class, attribute or file, or a point drawn by chance."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Points, Rows
from zatlas.core.errors import BadData, BadRecipe, NotHere, NotSupported, ShapeError
from zatlas.core.progress import console
from zatlas.core.shell import shell_command
from zatlas.data.imageset import UNLABELLED
from zatlas.data.read import BadImage, read_image
from zatlas.directions.find import known_of, store_of
from zatlas.directions.types import in_std, is_nonlinear
from zatlas.encoder import invert
from zatlas.latent.attributes import flags_of, title_of
from zatlas.latent.between import between
from zatlas.latent.curves import Curve
from zatlas.latent.names import RANDOM, Name, find, parse, split_list, split_terms, text_of
from zatlas.latent.neighbors import nearest
from zatlas.sample import sample_latents
from zatlas.store.codes import Codes
from zatlas.workspace import Workspace

STEP = 2.0  # spreads by which a direction stands for a place
HOW = (
    "A place is named by an image's number (7), a class or an attribute (Sneaker, Smiling, 'not Male', "
    "class:4, or Sneaker:3 for the fourth of them), an image file, or random (random:5; mixture:5 or "
    "flow:5 of a fitted prior)."
)


@dataclass(frozen=True)
class Anchor:
    """A named point, and the real image that it is the code of, if there is one."""

    name: str  # as one types it
    point: Points  # one row
    image: Images | None = None  # one row
    label: int | None = None
    title: str = ""  # as one writes it beside a picture


def locate(workspace: Workspace, text: str) -> Anchor:
    """The point that goes by this name."""
    known = known_of(workspace)
    if not workspace.coded and find(text, known) is None:
        raise _no_images(workspace, text)
    return _stop(workspace, text, parse(text, known))


def _stop(workspace: Workspace, text: str, name: Name) -> Anchor:
    if name.kind in RANDOM:
        prior = "own" if name.kind == RANDOM[0] else name.kind
        point = sample_latents(workspace, 1, seed=name.number or 0, prior=prior)
        return Anchor(text, point, title=title_of(replace(name, word=name.kind)))
    if name.kind == "row":
        return _numbered(workspace, name.number or 0, text)
    if name.kind == "file":
        return _from_file(workspace, Path(name.word))
    if name.kind == "direction":
        point = _gone(workspace, name, workspace.cloud.mean(axis=0, keepdims=True))
        return Anchor(text, point, title=title_of(name))
    return _typical(workspace, text, name)


def locate_all(workspace: Workspace, texts: Sequence[str]) -> list[Anchor]:
    """Several of them; "random" or "flow" again and again is another point each time."""
    found, drawn = [], 0
    for text in texts:
        if text in RANDOM:
            text = f"{text}:{drawn}"
            drawn += 1
        found.append(locate(workspace, text))
    return found


def interpolate(
    workspace: Workspace,
    anchors: Sequence[str] | Sequence[Anchor] | Points,
    method: str | None = None,
    *,
    closed: bool = False,
    even: bool = False,
    label: int | None = None,
) -> Curve:
    """Return the curve through two anchors or more, given by name or as latents.

    With `even`, the image changes at a steady pace along the curve.
    """
    if isinstance(anchors, np.ndarray):
        z = anchors
    else:
        found = [locate(workspace, anchor) if isinstance(anchor, str) else anchor for anchor in anchors]
        z = np.concatenate([anchor.point for anchor in found])
    if len(z) < 2:
        raise ShapeError("A way leads between 2 stops or more; name another.")
    return between(workspace.generator.for_class(label), z, method, closed=closed, even=even)


def default_anchors(workspace: Workspace, count: int) -> list[Anchor]:
    """Stops for want of a choice: typical images of classes that are far from each other in the list,
    the first test images where there are no classes, or the first samples where there is no encoder.
    """
    if not workspace.coded:
        return locate_all(workspace, [str(number) for number in range(count)])
    classes = classes_with_images(workspace)
    if len(classes) < count:
        there = min(count, len(workspace.codes("test")))
        numbers = [str(number) for number in range(there)]
        return locate_all(workspace, [*numbers, *[RANDOM[0]] * (count - there)])
    chosen = [classes[number * len(classes) // count] for number in range(count)]
    return locate_all(workspace, [class_word(workspace, name) for name in chosen])


def classes_with_images(workspace: Workspace) -> list[str]:
    """The classes that have an image, held out or trained on."""
    images = workspace.images
    if images.labels is None:
        return []
    rows = np.concatenate([workspace.rows("train"), workspace.rows("test")])
    present = set(images.labels[rows].tolist())
    return [name for number, name in enumerate(images.classes) if number in present and name != UNLABELLED]


def kind_of(workspace: Workspace) -> str:
    """What a point that goes by a number is: an image, a sample, or a code without an image."""
    if workspace.given is not None:
        return "image" if workspace.run.recipe_file.exists() else "code"
    return "image" if workspace.coded and not workspace.imagined else "sample"


def class_word(workspace: Workspace, name: str) -> str:
    """The name of a class as one types it."""
    return text_of(Name("class", name), known_of(workspace))


def _numbered(workspace: Workspace, number: int, name: str) -> Anchor:
    """An image of the test part by its number in it; a sample, where images have no points."""
    title = f"{kind_of(workspace)} {number}"
    if workspace.given is not None and not workspace.coded:
        if not 0 <= number < len(workspace.given):
            raise ShapeError(f"Codes are numbered from 0 to {len(workspace.given) - 1}.")
        return Anchor(name, workspace.given[number : number + 1], title=title)
    if not workspace.coded:
        many = 1000
        if not 0 <= number < many:
            raise ShapeError(f"Samples are numbered from 0 to {many - 1}; there is no {number}.")
        return Anchor(name, sample_latents(workspace, many, seed=0)[number : number + 1], title=title)
    codes = workspace.codes("test")
    if not 0 <= number < len(codes):
        raise ShapeError(f"There is no test image {number}: they are numbered from 0 to {len(codes) - 1}.")
    return _real(workspace, codes, number, name, title)


def _real(workspace: Workspace, codes: Codes, number: int, name: str, title: str) -> Anchor:
    rows = codes.rows[number : number + 1]
    labels = workspace.labels(rows)
    label = None if labels is None else int(labels[0])
    image = None if kind_of(workspace) == "code" else workspace.images.images(rows)
    return Anchor(name, codes.points[number : number + 1], image, label, title)


def _typical(workspace: Workspace, text: str, name: Name) -> Anchor:
    """The image nearest to the median of a class or an attribute; with a number, the next ones.

    Held-out images are taken; training images where none is held out, which the title says.
    """
    if not workspace.coded:
        raise _no_images(workspace, text)
    codes, members, split = _members_of(workspace, replace(name, number=None), ("test", "train"))
    trained_on = split == "train" and workspace.holds_out
    place = name.number or 0
    if place >= len(members):
        what = f"{'training' if trained_on else 'test'} image{'s' * (len(members) > 1)}"
        raise BadData(
            f"There is no {text!r}: {title_of(replace(name, number=None))!r} has {len(members)} {what}, "
            f"numbered from 0 to {len(members) - 1}."
        )
    points = codes.points[members]
    middle = np.median(points, axis=0, keepdims=True)
    order = nearest(middle, points, place + 1)[0][0]
    title = title_of(name) + (" (training image)" if trained_on else "")
    return _real(workspace, codes, int(members[order[place]]), text, title)


def _no_images(workspace: Workspace, text: str) -> NotSupported:
    none = "no images are known of this model"
    why = none if workspace.generator.encoder else "this model has no encoder to say where they lie"
    return NotSupported(f"{text!r} names images, and {why}. Name samples by their number, or random.")


def _members_of(workspace: Workspace, name: Name, splits: Sequence[str]) -> tuple[Codes, Rows, str]:
    """The codes of the first of these splits that has such an image, which of them they are, the split."""
    for split in splits:
        codes = workspace.codes(split)
        members = np.flatnonzero(flags_of(workspace.images, codes.rows, name))
        if len(members):
            return codes, members, split
    raise BadData(f"{workspace.name} has no image of {title_of(name)!r}. Name another class or attribute.")


def _from_file(workspace: Workspace, path: Path) -> Anchor:
    image = image_of(workspace, path)
    if workspace.generator.classes:
        raise NotSupported("A conditional model must be told the class of an image; a file has none.")
    if workspace.generator.encoder is not None:
        return Anchor(path.name, workspace.generator.encode(image), image, title=path.name)
    console().print(
        f"Searching for the point of {path.name}: this model has no encoder. Give it one: "
        f"{shell_command('invert', workspace.run.folder, '--learn')}",
        soft_wrap=True,
        markup=False,
    )
    found = invert(workspace, image)
    console().print(f"{path.name} was found to {found.psnr[0]:.1f} dB.", markup=False)
    return Anchor(path.name, found.points, image, title=path.name)


def image_of(workspace: Workspace, path: Path) -> Images:
    """The image in this file as the model takes it, one row."""
    if not path.is_file():
        raise NotHere(f"There is no image file {path}. {HOW}")
    channels, height, width = workspace.description.shape
    if height != width:
        raise NotSupported(
            f"This model takes images of {width}x{height}, and a file is cropped to a square: "
            "name an image of its own data by number."
        )
    try:
        pixels = read_image(path, channels=channels, size=height).pixels
    except BadImage as error:
        raise BadData(f"{path} cannot be used: {error}.") from error
    return pixels.astype(np.float32).reshape(1, *pixels.shape[-3:]) / 255


@dataclass(frozen=True)
class Group:
    """A term of an equation: points that are taken the mean of, added or taken away."""

    sign: int  # 1 or -1
    name: str
    points: Points
    images: Images | None


def find_groups(workspace: Workspace, text: str) -> list[Group]:
    """The terms of an equation such as "Eyeglasses - not Eyeglasses + Smiling" or "3,14 - 9,26 + a.png"."""
    terms = split_terms(text)
    if not all(term for _, term in terms) or re.match(r"[+-](\s|$)", terms[0][1]):
        raise BadRecipe(
            f"{text!r} is no equation. Put terms between + and -, with spaces around them, as "
            "'Eyeglasses - not Eyeglasses + Smiling' or '3,14,15 - 9,26,5 + 35,8'."
        )
    return [_group(workspace, sign, term) for sign, term in terms]


def _gone(workspace: Workspace, name: Name, z: Points) -> Points:
    """So far from here along a way that was kept that it can be seen; with "not", the other way."""
    way = in_std(store_of(workspace).load(name.word))
    return way.move(z, -STEP if name.negated else STEP)


def _step(workspace: Workspace, name: Name) -> Points:
    """The same as what it adds to any point."""
    if is_nonlinear(store_of(workspace).load(name.word)):
        typed = text_of(replace(name, negated=False), known_of(workspace), anchor=False)
        command = shell_command("attribute", workspace.run.folder, typed, "--stop", "0")
        raise NotSupported(
            f"{name.word!r} bends: where it leads depends on where it begins, so there is nothing that "
            f"could be added. Follow it from an image: {command}"
        )
    return _gone(workspace, name, np.zeros((1, workspace.dim), np.float32))


def _group(workspace: Workspace, sign: int, text: str) -> Group:
    name = find(text, known_of(workspace))
    if name is not None and name.kind == "direction":
        stop = _stop(workspace, text, name)
        return Group(sign, stop.title, _step(workspace, name), workspace.decode(stop.point))
    if name is not None and name.kind in ("class", "attribute") and name.number is None:
        return _members(workspace, sign, name)
    parts = [text] if name is not None else split_list(text)
    stops = [locate(workspace, part) for part in parts]
    shown = [workspace.decode(stop.point, stop.label) if stop.image is None else stop.image for stop in stops]
    points = np.concatenate([stop.point for stop in stops])
    title = stops[0].title if len(stops) == 1 else ", ".join(stop.name for stop in stops)
    return Group(sign, title, points, np.concatenate(shown))


def _members(workspace: Workspace, sign: int, name: Name) -> Group:
    """All training images of a class or an attribute; held-out ones where there are no others."""
    if not workspace.coded:
        raise _no_images(workspace, title_of(name))
    codes, members, split = _members_of(workspace, name, ("train", "test"))
    points = codes.points[members]
    shown = nearest(np.median(points, axis=0, keepdims=True), points, 3)[0][0]
    images = workspace.images.images(codes.rows[members[shown]])
    note = " (held-out images)" if split == "test" and workspace.holds_out else ""
    return Group(sign, title_of(name) + note, points, images)
