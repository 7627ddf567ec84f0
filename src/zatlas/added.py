"""What a run lacks and can be given: points of images by search, an encoder, attributes by a scorer."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Images, Labels
from zatlas.core.errors import NotSupported
from zatlas.data import sources
from zatlas.data.cache import cache_root
from zatlas.data.imageset import ImageSet
from zatlas.latent import readings
from zatlas.latent.inversion import STARTS, STEPS, Inverted
from zatlas.latent.inversion import invert as search
from zatlas.models import bring
from zatlas.models.description import Description
from zatlas.models.generator import Generator
from zatlas.models.inverter import Inverter, load_inverter, save_inverter
from zatlas.models.scorer import Reader, Scorer, save_scorer
from zatlas.store import atomic, digests, inside
from zatlas.store.run import Run
from zatlas.training.inverting import TRAINING, teach

if TYPE_CHECKING:
    from zatlas.workspace import Workspace

SAMPLES, FEWEST = 16_384, 2048  # that an encoder learns from
ROOM = 48 << 20  # bytes of their images, which cost time to make and to look at


def opened(
    run: Run, device: str, trust: bool = False
) -> tuple[Description, Generator, readings.Reading | None]:
    """The model of a run with the encoder that it was taught, if any, and what was read of its images."""
    description, generator = bring.opened(run, device, trusted=trust)
    if generator.encoder is None and run.inverter.exists():
        encoder = load_inverter(run.inverter, weights_digest(run), device)
        generator = replace(generator, encoder=encoder)
    if not run.reading.exists():
        return description, generator, None
    return description, generator, readings.load_reading(run.reading, digest(run, generator))


def known_images(workspace: "Workspace") -> ImageSet:
    """The images of the recipe, with what came beside brought codes; of codes alone, only that.

    `OtherData` if they are not those that the run was made with, unless the workspace accepts that.
    """
    beside = bring.known_of(workspace.run)
    if beside is not None and not workspace.run.recipe_file.exists():
        return beside
    recipe = workspace.recipe
    images = sources.load_same(
        recipe.source,
        fingerprint=workspace.run.made().get("data"),
        run=workspace.run.folder,
        data_changed=workspace.data_changed,
        size=recipe.size,
        **recipe.options,
    )
    if beside is None:
        return images
    told = readings.Reading(images.fingerprint, beside.attributes).told(images)
    if images.labels is not None or beside.labels is None:
        return told
    return replace(told, labels=beside.labels, classes=beside.classes)


def room(run: Run, name: str) -> Path:
    """A folder of the run; one of the cache, where the run may only be read."""
    if atomic.is_writable(run.folder):
        return run.path(name)
    whole = str(run.folder.resolve())
    place = cache_root() / "runs" / hashlib.sha256(repr(whole).encode()).hexdigest()[:12]
    digests.ensure(place)
    return inside.path(place, name)


def weights_digest(run: Run) -> str:
    """SHA-256 of the weights alone."""
    if brought := bring.brought_of(run):
        return brought.digest
    with run.weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(run: Run, generator: Generator) -> str:
    """SHA-256 of the weights and, where one was taught, of the encoder."""
    whole = weights_digest(run)
    if not isinstance(generator.encoder, Inverter):
        return whole
    both = hashlib.sha256(whole.encode())
    for tensor in generator.encoder.state_dict().values():
        both.update(tensor.cpu().numpy().tobytes())
    return both.hexdigest()


def teach_encoder(
    workspace: "Workspace",
    *,
    samples: int | None = None,
    epochs: int = TRAINING.epochs,
    seed: int = 0,
    show: bool = True,
) -> Inverter:
    """Teach an encoder to a run that has none, from its own samples, and keep it in the run."""
    generator = workspace.generator
    if workspace.given is not None:
        raise NotSupported("This run was brought as codes alone: there is no decoder to learn from.")
    if generator.encoder is not None and not isinstance(generator.encoder, Inverter):
        raise NotSupported(f"{workspace.name} has an encoder of its own, which needs no teaching.")
    atomic.check_writable(workspace.run.folder, "Make a copy of the run, and teach that one.")
    size = np.prod(workspace.description.shape)
    many = samples or int(np.clip(ROOM // size, FEWEST, SAMPLES))
    points = workspace.sample(many, seed=seed)
    labels = np.arange(many) % len(generator.classes) if generator.classes else None
    inverter = teach(generator, points, labels, epochs=epochs, seed=seed, show=show)
    save_inverter(workspace.run.inverter, inverter, weights_digest(workspace.run))
    return inverter


def invert(
    workspace: "Workspace",
    images: Images,
    labels: Labels | None = None,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = True,
) -> Inverted:
    """The points of any images: what the encoder says, refined, or a search from several starts."""
    generator = workspace.generator
    guess = None if generator.encoder is None else generator.encode(images, labels)
    pool = workspace.cloud if guess is None and generator.space.prior == "none" else None
    return search(
        generator, images, labels, guess=guess, pool=pool, starts=starts, steps=steps, seed=seed, show=show
    )


def read(workspace: "Workspace", scorer: Scorer, *, keep: bool = False) -> "Workspace":
    """The same run, its images told by a scorer: its answers are attributes from now on.

    Where images have no points, the run's own samples are read, and stand for its images. With `keep`
    every later command knows what was read, too, and the run keeps a scorer that zatlas has trained.
    """
    if keep:
        atomic.check_writable(workspace.run.folder, "Make a copy of the run, and read that one.")
    before = workspace.reading or readings.Reading("", {})
    images = replace(workspace, reading=before, _known={}).bare_images
    found = readings.read_images(scorer, images)
    older = before.columns if before.data == found.data else {}
    reading = replace(found, columns={**older, **found.columns})
    if keep:
        readings.save_reading(workspace.run.reading, reading, workspace.digest)
        atomic.remove_file(workspace.run.scorer)
        if isinstance(scorer.function, Reader):
            save_scorer(workspace.run.scorer, scorer)
    return replace(workspace, reading=reading, _known={})
