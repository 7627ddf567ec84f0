"""What one can name: an image by its number, class, attribute or file, or a point drawn by chance."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Images, Points
from zatlas.core.errors import (
    BadData,
    BadRecipe,
    NotHere,
    NotSupported,
    ShapeError,
    UnknownName,
)
from zatlas.core.progress import console
from zatlas.core.seeds import stream
from zatlas.data.imageset import UNLABELLED
from zatlas.data.read import BadImage, read_image
from zatlas.latent.density import stand_in
from zatlas.latent.neighbours import nearest
from zatlas.latent.priors import KINDS, prior_of
from zatlas.latent.sampling import from_posterior, from_prior
from zatlas.latent.steering.steer import bends, in_spreads

if TYPE_CHECKING:
    from zatlas.atlas import Atlas

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
STEP = 2.0  # spreads by which a direction stands for a place
DRAWN = rf"(random|{'|'.join(KINDS)})(:\d+)?"
CLASS = "class:"  # before the name of a class that could be taken for a number
HOW = (
    "A place is named by an image's number (7), a class or an attribute (Sneaker, Smiling, 'not Male', "
    "class:4, or Sneaker:3 for the fourth of them), an image file, or random (random:5; mixture:5 or "
    "flow:5 of a fitted prior)."
)


@dataclass(frozen=True)
class Stop:
    """A named point, and the real image that it is the code of, if there is one."""

    name: str  # as one types it
    point: Points  # one row
    image: Images | None = None  # one row
    label: int | None = None
    kind: str = "image"  # or sample or code: what its number counts

    @property
    def title(self) -> str:
        """The name as one writes it beside a picture."""
        if self.name.isdecimal():
            return f"{self.kind} {self.name}"
        return self.name.removeprefix(CLASS).replace("_", " ").replace(":", " ")


def find_stop(atlas: "Atlas", text: str) -> Stop:
    """The point that goes by this name."""
    if re.fullmatch(DRAWN, text):
        kind, _, number = text.partition(":")
        prior = "own" if kind == "random" else kind
        return Stop(text, atlas.sample(1, seed=int(number or 0), prior=prior))
    if re.fullmatch(r"-?\d+", text):
        return _numbered(atlas, int(text))
    if Path(text).suffix.lower() in SUFFIXES:
        return _from_file(atlas, Path(text))
    if atlas.home.has(text.removeprefix("not ")):
        return Stop(text, _gone(atlas, text, atlas.cloud.mean(axis=0, keepdims=True)))
    return _typical(atlas, text)


def find_stops(atlas: "Atlas", texts: list[str]) -> list[Stop]:
    """Several of them; "random" or "flow" again and again is another point each time."""
    found, drawn = [], 0
    for text in texts:
        if text in ("random", *KINDS):
            text = f"{text}:{drawn}"
            drawn += 1
        found.append(find_stop(atlas, text))
    return found


def points_through(atlas: "Atlas", stops: Sequence[str] | Sequence[Stop] | Points) -> Points:
    """The points of two stops or more, by name or as they are."""
    if isinstance(stops, np.ndarray):
        z = stops
    else:
        found = [find_stop(atlas, stop) if isinstance(stop, str) else stop for stop in stops]
        z = np.concatenate([stop.point for stop in found])
    if len(z) < 2:
        raise ShapeError("A way leads between 2 stops or more; name another.")
    return z


def draw(
    atlas: "Atlas",
    n: int,
    *,
    seed: int,
    prior: str,
    temperature: float,
    truncation: float | None,
) -> Points:
    """Points drawn by chance; without a prior, the normal distribution that the codes suggest stands in."""
    space = atlas.generator.space
    if prior == "own" and space.prior != "none":
        return from_prior(space, n, seed=seed, temperature=temperature, truncation=truncation)
    if truncation is not None:
        raise NotSupported(
            "Only a prior that is normal is truncated; give --temperature below 1 instead."
        )
    if prior == "own":
        middle = atlas.cloud.mean(axis=0)
        z = stand_in(atlas.cloud, space, n, seed=seed)
        return (middle + temperature * (z - middle)).astype(np.float32)
    if prior in KINDS:
        return prior_of(atlas, prior).sample(n, seed=seed, temperature=temperature)
    if prior == "posterior":
        codes = atlas.codes("test")
        chosen = stream(seed, "posterior").choice(len(codes), n, replace=n > len(codes))
        if codes.deviations is None:
            return codes.points[chosen]
        spread = codes.deviations[chosen] * np.float32(temperature)
        return from_posterior(codes.points[chosen], spread, seed=seed)
    raise UnknownName("prior", prior, ("own", *KINDS, "posterior"))


def usual_stops(atlas: "Atlas", count: int) -> list[Stop]:
    """Stops for want of a choice: typical images of classes that are far from each other in the list,
    the first test images where there are no classes, or the first samples where there is no encoder.
    """
    if not atlas.coded:
        return find_stops(atlas, [str(number) for number in range(count)])
    classes = [name for name in atlas.images.classes if name != UNLABELLED]
    if len(classes) < count:
        return find_stops(
            atlas, [str(number % len(atlas.codes("test"))) for number in range(count)]
        )
    chosen = [classes[number * len(classes) // count] for number in range(count)]
    return find_stops(atlas, [class_word(name) for name in chosen])


def kind_of(atlas: "Atlas") -> str:
    """What a point that goes by a number is: an image, a sample, or a code without an image."""
    if atlas.given is not None:
        return "image" if atlas.run.recipe_file.exists() else "code"
    return "image" if atlas.coded and not atlas.imagined else "sample"


def class_word(name: str) -> str:
    """The name of a class as one types it: one that is a number says that it is a class."""
    return f"{CLASS}{name}" if name.isdecimal() else name


def _numbered(atlas: "Atlas", number: int) -> Stop:
    """An image of the test part by its number in it; a sample, where images have no points."""
    if atlas.given is not None and not atlas.coded:
        if not 0 <= number < len(atlas.given):
            raise ShapeError(f"Codes are numbered from 0 to {len(atlas.given) - 1}.")
        return Stop(str(number), atlas.given[number : number + 1], kind=kind_of(atlas))
    if not atlas.coded:
        many = 1000
        if not 0 <= number < many:
            raise ShapeError(f"Samples are numbered from 0 to {many - 1}; there is no {number}.")
        point = atlas.sample(many, seed=0)[number : number + 1]
        return Stop(str(number), point, kind=kind_of(atlas))
    codes = atlas.codes("test")
    if not 0 <= number < len(codes):
        raise ShapeError(
            f"There is no test image {number}: they are numbered from 0 to {len(codes) - 1}."
        )
    return _real(atlas, number, str(number))


def _real(atlas: "Atlas", number: int, name: str) -> Stop:
    codes = atlas.codes("test")
    rows = codes.rows[number : number + 1]
    labels = atlas.labels(rows)
    label = None if labels is None else int(labels[0])
    kind = kind_of(atlas)
    image = None if kind == "code" else atlas.images.images(rows)
    return Stop(name, codes.points[number : number + 1], image, label, kind)


def _typical(atlas: "Atlas", text: str) -> Stop:
    """The image nearest to the middle of a class or of an attribute; with a number, the next ones."""
    bare = text.removeprefix(CLASS)
    word, colon, rest = bare.rpartition(":")
    name, place = (word, int(rest)) if colon and rest.isdecimal() else (bare, 0)
    if not atlas.coded:
        none = "no images are known of this model"
        why = none if atlas.generator.encoder else "this model has no encoder to say where they lie"
        raise NotSupported(
            f"{text!r} names images, and {why}. Name samples by their number, or random."
        )
    codes = atlas.codes("test")
    members = np.flatnonzero(atlas.flags(name, codes.rows))
    if place >= len(members):
        raise BadData(f"{name!r} has {len(members)} test images: there is no {text!r}.")
    points = codes.points[members]
    middle = np.median(points, axis=0, keepdims=True)
    order = nearest(middle, points, place + 1)[0][0]
    return _real(atlas, int(members[order[place]]), text)


def _from_file(atlas: "Atlas", path: Path) -> Stop:
    image = image_of(atlas, path)
    if atlas.generator.classes:
        raise NotSupported(
            "A conditional model must be told the class of an image; a file has none."
        )
    if atlas.generator.encoder is not None:
        return Stop(path.name, atlas.generator.encode(image), image)
    console().print(
        f"Searching for the point of {path.name}: this model has no encoder. It is taught one by "
        f"zatlas invert {atlas.run.folder} --learn",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    found = atlas.invert(image)
    console().print(f"{path.name} was found to {found.psnr[0]:.1f} dB.", markup=False)
    return Stop(path.name, found.points, image)


def image_of(atlas: "Atlas", path: Path) -> Images:
    """The image in this file as the model takes it, one row."""
    if not path.is_file():
        raise NotHere(f"There is no image file {path}. {HOW}")
    channels, height, width = atlas.description.shape
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


def find_groups(atlas: "Atlas", text: str) -> list[Group]:
    """The terms of an equation such as "Eyeglasses - not Eyeglasses + Smiling" or "3,14 - 9,26 + a.png"."""
    words = re.split(r"\s+([+-])\s+", text.strip())
    signs = [1] + [1 if sign == "+" else -1 for sign in words[1::2]]
    if not all(words[0::2]) or re.match(r"[+-](\s|$)", words[0]):
        raise BadRecipe(
            f"{text!r} is no equation. Put terms between + and -, with spaces around them, as "
            "'Eyeglasses - not Eyeglasses + Smiling' or '3,14,15 - 9,26,5 + 35,8'."
        )
    return [_group(atlas, sign, term) for sign, term in zip(signs, words[0::2], strict=True)]


def _gone(atlas: "Atlas", text: str, z: Points) -> Points:
    """So far from here along a way that was kept that it can be seen; with "not", the other way."""
    way = in_spreads(atlas.home.find(text.removeprefix("not ")))
    return way.move(z, -STEP if text.startswith("not ") else STEP)


def _step(atlas: "Atlas", text: str) -> Points:
    """The same as what it adds to any point."""
    if bends(atlas.home.find(text.removeprefix("not "))):
        raise NotSupported(
            f"{text!r} bends: where it leads depends on where it begins, so there is nothing that could be "
            "added. Follow it from an image: zatlas attribute RUN NAME --stop IMAGE"
        )
    return _gone(atlas, text, np.zeros((1, atlas.dim), np.float32))


def _group(atlas: "Atlas", sign: int, text: str) -> Group:
    if atlas.home.has(text.removeprefix("not ")):
        stop = find_stop(atlas, text)
        return Group(sign, text, _step(atlas, text), atlas.decode(stop.point))
    if _names_many(text):
        return _members(atlas, sign, text)
    stops = [find_stop(atlas, part.strip()) for part in text.split(",")]
    shown = [
        atlas.decode(stop.point, stop.label) if stop.image is None else stop.image for stop in stops
    ]
    points = np.concatenate([stop.point for stop in stops])
    name = stops[0].title if len(stops) == 1 else ", ".join(stop.name for stop in stops)
    return Group(sign, name, points, np.concatenate(shown))


def _names_many(text: str) -> bool:
    """Whether it is a class or an attribute as a whole, rather than single images."""
    if text.startswith(CLASS):
        return ":" not in text.removeprefix(CLASS)
    single = re.fullmatch(rf"[\d,\s]+|{DRAWN}|.*:\d+", text)
    return not single and Path(text).suffix.lower() not in SUFFIXES and "," not in text


def _members(atlas: "Atlas", sign: int, name: str) -> Group:
    codes = atlas.codes("train")
    name = name.removeprefix(CLASS)
    members = np.flatnonzero(atlas.flags(name, codes.rows))
    if not len(members):
        raise BadData(f"No training image is {name!r}.")
    points = codes.points[members]
    shown = nearest(np.median(points, axis=0, keepdims=True), points, 3)[0][0]
    return Group(sign, name, points, atlas.images.images(codes.rows[members[shown]]))
