"""What one can name: an image by its number, class, attribute or file, or a point drawn by chance."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Images, Points, Rows
from zatlas.core.errors import BadData, BadRecipe, NotHere, NotSupported, ShapeError, UnknownName
from zatlas.core.progress import console
from zatlas.core.seeds import stream
from zatlas.core.shell import shell_command
from zatlas.data.imageset import UNLABELLED
from zatlas.data.read import BadImage, read_image
from zatlas.latent.attributes import flags_of, known_of, title_of
from zatlas.latent.density import stand_in
from zatlas.latent.names import RANDOM, Name, find, parse, split_list, split_terms, text_of
from zatlas.latent.neighbours import nearest
from zatlas.latent.priors import KINDS, prior_of
from zatlas.latent.sampling import from_posterior, from_prior
from zatlas.latent.steering.steer import bends, in_spreads
from zatlas.store.codes import Codes

if TYPE_CHECKING:
    from zatlas.atlas import Atlas

STEP = 2.0  # spreads by which a direction stands for a place
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
    title: str = ""  # as one writes it beside a picture


def find_stop(atlas: "Atlas", text: str) -> Stop:
    """The point that goes by this name."""
    known = known_of(atlas)
    if not atlas.coded and find(text, known) is None:
        raise _no_images(atlas, text)
    return _stop(atlas, text, parse(text, known))


def _stop(atlas: "Atlas", text: str, name: Name) -> Stop:
    if name.kind in RANDOM:
        prior = "own" if name.kind == RANDOM[0] else name.kind
        point = atlas.sample(1, seed=name.number or 0, prior=prior)
        return Stop(text, point, title=title_of(replace(name, word=name.kind)))
    if name.kind == "row":
        return _numbered(atlas, name.number or 0, text)
    if name.kind == "file":
        return _from_file(atlas, Path(name.word))
    if name.kind == "direction":
        point = _gone(atlas, name, atlas.cloud.mean(axis=0, keepdims=True))
        return Stop(text, point, title=title_of(name))
    return _typical(atlas, text, name)


def find_stops(atlas: "Atlas", texts: list[str]) -> list[Stop]:
    """Several of them; "random" or "flow" again and again is another point each time."""
    found, drawn = [], 0
    for text in texts:
        if text in RANDOM:
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
    atlas: "Atlas", n: int, *, seed: int, prior: str, temperature: float, truncation: float | None
) -> Points:
    """Points drawn by chance; without a prior, the normal distribution that the codes suggest stands in."""
    space = atlas.generator.space
    if prior == "own" and space.prior != "none":
        return from_prior(space, n, seed=seed, temperature=temperature, truncation=truncation)
    if truncation is not None:
        raise NotSupported("Only a prior that is normal is truncated; give --temperature below 1 instead.")
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
    classes = classes_with_images(atlas)
    if len(classes) < count:
        there = min(count, len(atlas.codes("test")))
        numbers = [str(number) for number in range(there)]
        return find_stops(atlas, [*numbers, *[RANDOM[0]] * (count - there)])
    chosen = [classes[number * len(classes) // count] for number in range(count)]
    return find_stops(atlas, [class_word(atlas, name) for name in chosen])


def classes_with_images(atlas: "Atlas") -> list[str]:
    """The classes that have an image, held out or trained on."""
    images = atlas.images
    if images.labels is None:
        return []
    rows = np.concatenate([atlas.rows("train"), atlas.rows("test")])
    present = set(images.labels[rows].tolist())
    return [name for number, name in enumerate(images.classes) if number in present and name != UNLABELLED]


def kind_of(atlas: "Atlas") -> str:
    """What a point that goes by a number is: an image, a sample, or a code without an image."""
    if atlas.given is not None:
        return "image" if atlas.run.recipe_file.exists() else "code"
    return "image" if atlas.coded and not atlas.imagined else "sample"


def class_word(atlas: "Atlas", name: str) -> str:
    """The name of a class as one types it."""
    return text_of(Name("class", name), known_of(atlas))


def _numbered(atlas: "Atlas", number: int, name: str) -> Stop:
    """An image of the test part by its number in it; a sample, where images have no points."""
    title = f"{kind_of(atlas)} {number}"
    if atlas.given is not None and not atlas.coded:
        if not 0 <= number < len(atlas.given):
            raise ShapeError(f"Codes are numbered from 0 to {len(atlas.given) - 1}.")
        return Stop(name, atlas.given[number : number + 1], title=title)
    if not atlas.coded:
        many = 1000
        if not 0 <= number < many:
            raise ShapeError(f"Samples are numbered from 0 to {many - 1}; there is no {number}.")
        return Stop(name, atlas.sample(many, seed=0)[number : number + 1], title=title)
    codes = atlas.codes("test")
    if not 0 <= number < len(codes):
        raise ShapeError(f"There is no test image {number}: they are numbered from 0 to {len(codes) - 1}.")
    return _real(atlas, codes, number, name, title)


def _real(atlas: "Atlas", codes: Codes, number: int, name: str, title: str) -> Stop:
    rows = codes.rows[number : number + 1]
    labels = atlas.labels(rows)
    label = None if labels is None else int(labels[0])
    image = None if kind_of(atlas) == "code" else atlas.images.images(rows)
    return Stop(name, codes.points[number : number + 1], image, label, title)


def _typical(atlas: "Atlas", text: str, name: Name) -> Stop:
    """The image nearest to the median of a class or an attribute; with a number, the next ones.

    Held-out images are taken; training images where none is held out, which the title says.
    """
    if not atlas.coded:
        raise _no_images(atlas, text)
    codes, members, split = _members_of(atlas, replace(name, number=None), ("test", "train"))
    trained_on = split == "train" and atlas.holds_out
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
    return _real(atlas, codes, int(members[order[place]]), text, title)


def _no_images(atlas: "Atlas", text: str) -> NotSupported:
    none = "no images are known of this model"
    why = none if atlas.generator.encoder else "this model has no encoder to say where they lie"
    return NotSupported(f"{text!r} names images, and {why}. Name samples by their number, or random.")


def _members_of(atlas: "Atlas", name: Name, splits: Sequence[str]) -> tuple[Codes, Rows, str]:
    """The codes of the first of these splits that has such an image, which of them they are, the split."""
    for split in splits:
        codes = atlas.codes(split)
        members = np.flatnonzero(flags_of(atlas.images, codes.rows, name))
        if len(members):
            return codes, members, split
    raise BadData(f"{atlas.name} has no image of {title_of(name)!r}. Name another class or attribute.")


def _from_file(atlas: "Atlas", path: Path) -> Stop:
    image = image_of(atlas, path)
    if atlas.generator.classes:
        raise NotSupported("A conditional model must be told the class of an image; a file has none.")
    if atlas.generator.encoder is not None:
        return Stop(path.name, atlas.generator.encode(image), image, title=path.name)
    console().print(
        f"Searching for the point of {path.name}: this model has no encoder. Give it one: "
        f"{shell_command('invert', atlas.run.folder, '--learn')}",
        soft_wrap=True,
        markup=False,
    )
    found = atlas.invert(image)
    console().print(f"{path.name} was found to {found.psnr[0]:.1f} dB.", markup=False)
    return Stop(path.name, found.points, image, title=path.name)


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
    terms = split_terms(text)
    if not all(term for _, term in terms) or re.match(r"[+-](\s|$)", terms[0][1]):
        raise BadRecipe(
            f"{text!r} is no equation. Put terms between + and -, with spaces around them, as "
            "'Eyeglasses - not Eyeglasses + Smiling' or '3,14,15 - 9,26,5 + 35,8'."
        )
    return [_group(atlas, sign, term) for sign, term in terms]


def _gone(atlas: "Atlas", name: Name, z: Points) -> Points:
    """So far from here along a way that was kept that it can be seen; with "not", the other way."""
    way = in_spreads(atlas.home.find(name.word))
    return way.move(z, -STEP if name.negated else STEP)


def _step(atlas: "Atlas", name: Name) -> Points:
    """The same as what it adds to any point."""
    if bends(atlas.home.find(name.word)):
        typed = text_of(replace(name, negated=False), known_of(atlas), anchor=False)
        command = shell_command("attribute", atlas.run.folder, typed, "--stop", "0")
        raise NotSupported(
            f"{name.word!r} bends: where it leads depends on where it begins, so there is nothing that "
            f"could be added. Follow it from an image: {command}"
        )
    return _gone(atlas, name, np.zeros((1, atlas.dim), np.float32))


def _group(atlas: "Atlas", sign: int, text: str) -> Group:
    name = find(text, known_of(atlas))
    if name is not None and name.kind == "direction":
        stop = _stop(atlas, text, name)
        return Group(sign, stop.title, _step(atlas, name), atlas.decode(stop.point))
    if name is not None and name.kind in ("class", "attribute") and name.number is None:
        return _members(atlas, sign, name)
    parts = [text] if name is not None else split_list(text)
    stops = [find_stop(atlas, part) for part in parts]
    shown = [atlas.decode(stop.point, stop.label) if stop.image is None else stop.image for stop in stops]
    points = np.concatenate([stop.point for stop in stops])
    title = stops[0].title if len(stops) == 1 else ", ".join(stop.name for stop in stops)
    return Group(sign, title, points, np.concatenate(shown))


def _members(atlas: "Atlas", sign: int, name: Name) -> Group:
    """All training images of a class or an attribute; held-out ones where there are no others."""
    if not atlas.coded:
        raise _no_images(atlas, title_of(name))
    codes, members, split = _members_of(atlas, name, ("train", "test"))
    points = codes.points[members]
    shown = nearest(np.median(points, axis=0, keepdims=True), points, 3)[0][0]
    images = atlas.images.images(codes.rows[members[shown]])
    note = " (held-out images)" if split == "test" and atlas.holds_out else ""
    return Group(sign, title_of(name) + note, points, images)
