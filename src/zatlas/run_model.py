"""The model of a run in one of its latent spaces, and the folders of what is computed there."""

from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Self

from zatlas import contents
from zatlas.core.shell import shell_command
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.description import Description
from zatlas.models.device import resolve_device
from zatlas.models.generator import INPUT, Generator
from zatlas.predictions import Predictions
from zatlas.store import run as runs
from zatlas.store.cache import Cache
from zatlas.store.run import Run
from zatlas.training.recipe import Recipe, make_recipe, read_recipe


@dataclass(frozen=True)
class RunModel:
    """A run and its model; `Workspace` adds the dataset and the latents."""

    run: Run
    description: Description
    generator: Generator
    predictions: Predictions | None = None  # of a classifier, for the images
    data_changed: bool = False  # accept images that differ from those of the run
    opened_dataset: ImageDataset | None = None  # the dataset, if the caller has opened it
    model: Generator | None = None  # from the model's own input, in a view of another latent space
    space: str = INPUT  # name of the latent space
    cache: Cache = field(default_factory=Cache, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        folder: str | PathLike[str],
        *,
        trust: bool = False,
        data_changed: bool = False,
        device: str = "auto",
        dataset: ImageDataset | None = None,
        space: str = INPUT,
    ) -> Self:
        """Open the run in this folder.

        Parameters
        ----------
        folder : str or Path
        trust : bool
            Allow a model that is a program to run.
        data_changed : bool
            Accept a dataset that differs from the one the run was made with.
        device : {"auto", "cpu", "cuda", "mps"}
            Device of the model.
        dataset : ImageDataset
            The images of the run, if they are open already.
        space : str
            A latent space of the model: "z", its input, or "w", "w+", "s" of a StyleGAN.

        Raises
        ------
        BadRun
            The folder holds no run.
        NeedsTrust
            The model is a program, and `trust` is false.

        Examples
        --------
        >>> zatlas.Workspace.open("runs/shapes", device="cpu").name
        'shapes'
        """
        run = runs.open_run(Path(folder))
        description, generator = contents.load_model(run, resolve_device(device), trust)
        predictions = contents.predictions_of(run, generator)
        return cls(run, description, generator, predictions, data_changed, dataset).in_space(space)

    def in_space(self, name: str) -> Self:
        """This run in another latent space of its model, such as the "w" of a StyleGAN.

        All its latents, charts and directions are those of that space, in a folder of their own.

        Examples
        --------
        >>> atlas.workspace.in_space("z").space
        'z'
        """
        if name == self.space:
            return self
        model = self.model or self.generator
        view = replace(
            self,
            generator=contents.with_inverter(self.run, name, model.in_space(name)),
            model=None if name == INPUT else model,
            space=name,
            cache=Cache(),
        )
        if view.digest == self.digest:
            return view
        return replace(view, predictions=contents.predictions_of(self.run, view.generator), cache=Cache())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or a pickle names the folder, and opens the run again."""
        device = "cpu" if self.generator.device == "cpu" else "auto"
        reopen = partial(type(self).open, data_changed=self.data_changed, device=device, space=self.space)
        state = {"predictions": self.predictions, "opened_dataset": self.opened_dataset}
        return reopen, (self.run.folder.absolute(),), state

    @property
    def name(self) -> str:
        """The name of the run's folder, and of the latent space unless it is the model's input."""
        name = self.run.folder.resolve().name
        return name if self.space == INPUT else f"{name} ({self.space})"

    def command(self, *words: str | Path | int | float) -> str:
        """Return a `zatlas` command about this run to copy, with `--space` in another latent space.

        >>> atlas.workspace.command("sample", "runs/shapes")
        'zatlas sample runs/shapes'
        """
        return shell_command(*words, *(() if self.space == INPUT else ("--space", self.space)))

    @property
    def dim(self) -> int:
        """The number of dimensions of the latent space."""
        return self.generator.space.dim

    @property
    def recipe(self) -> Recipe:
        """The settings that the model was trained with."""
        return self.cache.get("recipe", lambda: make_recipe(read_recipe(self.run.recipe_file)))

    @property
    def digest(self) -> str:
        """SHA-256 of the model. Files that were computed with another model are computed again."""
        return self.cache.get("digest", lambda: contents.model_digest(self.run, self.generator))

    def folder(self, name: str) -> Path:
        """A folder of the run; a folder of the cache if the run is read-only.

        Each latent space other than the model's input has folders of its own.
        """
        return contents.folder_for(self.run, name, self.space)

    @property
    def gallery(self) -> Path:
        """The folder of the figures of this latent space."""
        return self.run.path(*contents.place_of("gallery", self.space))
