"""`Atlas`: a run, with everything that one does with it as a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zatlas.atlas_data import AtlasData
from zatlas.atlas_pages import AtlasPages
from zatlas.directions import find
from zatlas.encoder import train_encoder
from zatlas.figures.paths import LatentPath, interpolation
from zatlas.latent.chart import Chart
from zatlas.latent.priors import SavedPrior
from zatlas.latent.saved_charts import ChartRequest
from zatlas.locate import Anchor, AnchorLike, locate, locate_all
from zatlas.metrics.evaluation import evaluate
from zatlas.models.classifier import Classifier
from zatlas.results import Evaluation, RunDirection
from zatlas.sample import fit_prior
from zatlas.styles import Styles, styles_of
from zatlas.training.inverter_training import TRAINING


@dataclass(frozen=True, repr=False)
class Atlas(AtlasData, AtlasPages):
    """A trained or imported model, its dataset and its latent space.

    `zatlas.train`, `zatlas.load`, `zatlas.resume` and `zatlas.import_model` return one. Class names are
    accepted wherever a label is. `atlas.plot` draws figures, and `atlas.workspace` holds the data.

    Examples
    --------
    >>> atlas = zatlas.load("runs/shapes")
    >>> atlas.decode(atlas.latents("test")).shape
    (30, 1, 8, 8)
    """

    # Curves and charts

    def locate(self, name: AnchorLike, *, label: int | str | None = None) -> Anchor:
        """Return the latent that a name stands for.

        Parameters
        ----------
        name : str, int, Path or array (dim,)
            The number of an image (7), a class or attribute ("left", "left:3" for the fourth typical
            image, "not left"), an image file, a saved direction, "random:5", or one latent.
        label : int or str
            The class of an image file, for a conditional model (default: predicted).

        Returns
        -------
        Anchor
            With `latent` (1, dim), `image` or None, `label` and `title`.

        Examples
        --------
        >>> atlas.locate("left").latent.shape
        (1, 2)
        """
        return locate(self.workspace, name, self.generator.class_number(label))

    def interpolate(
        self,
        *anchors: AnchorLike,
        method: str | None = None,
        closed: bool = False,
        constant_speed: bool = False,
        label: int | str | None = None,
    ) -> LatentPath:
        """Return the path through named latents.

        Parameters
        ----------
        *anchors : str, int, Path, Anchor or array (dim,)
            Two or more, as for `locate`: "left", "Sneaker:3", 7, "face.png", "random:5", or latents.
        method : {"lerp", "slerp", "spline", "geodesic"}
            The default suits the prior: slerp for many dimensions.
        closed : bool
            Return to the first anchor.
        constant_speed : bool
            Change the image by the same amount in each step.
        label : int or str
            The class of a conditional model for the whole path. By default each anchor keeps its class, and
            the class between two anchors is a mix of both.

        Returns
        -------
        LatentPath
            With `.latents(n)`, `.images(n)`, `.strip()` and `.film("x.mp4")`.

        Examples
        --------
        >>> atlas.interpolate("left", "below").images(5).shape
        (5, 1, 8, 8)
        """
        settings: dict[str, Any] = {"method": method, "closed": closed, "constant_speed": constant_speed}
        return interpolation(self.workspace, *self._located(anchors, label), **settings)

    def _located(
        self, anchors: Sequence[AnchorLike], label: int | str | None
    ) -> tuple[list[Anchor], int | None]:
        number = self.generator.class_number(label)
        return locate_all(self.workspace, anchors, label=number), number

    def chart(
        self,
        method: str | None = None,
        supervise: str | None = None,
        *,
        split: str = "test",
        samples: bool = False,
        seed: int = 0,
        settings: Mapping[str, object] | None = None,
    ) -> Chart:
        """Lay the latents of a split out in two dimensions, and save the chart in the run.

        Figures and the explorer use the chart that was made last.

        Parameters
        ----------
        method : str
            A layout: "grid_umap", "grid_tsne", "pca", "dimensions" (two of the latents), "umap" (of
            umap-learn) or one of a plugin. The default is "dimensions" for two dimensions, and "grid_umap"
            for more.
        supervise : str
            Separate the classes ("label"), or one class or attribute.
        split : {"train", "valid", "test"}
        samples : bool
            Lay out a sample of each posterior instead of its mean.
        seed : int
            Random seed (default 0).
        settings : mapping
            Settings of the layout, as ``{"n_neighbors": 25, "min_dist": 0.1}``.

        Returns
        -------
        Chart
            With `.positions`, `.transform(z)`, `.inverse_transform(xy)` and `.covers(xy)`.

        Examples
        --------
        >>> chart = atlas.chart("grid_umap", settings={"n_neighbors": 5})
        >>> atlas.decode(chart.inverse_transform(chart.positions)).shape
        (30, 1, 8, 8)
        """
        layout = method or self.workspace.charts.default_layout
        request = ChartRequest(layout, supervise, split, samples, seed, settings or {})
        return self.workspace.charts.make_current(request, self.workspace.chart_of)

    # Directions

    def find_direction(
        self, name: str, *, method: str = "mean_difference", orthogonal_to: Sequence[str] = (), seed: int = 0
    ) -> RunDirection:
        """Fit the direction of a class or an attribute, or load the direction that is saved by this name.

        Parameters
        ----------
        name : str
            A class ("Sneaker"), an attribute ("Smiling", "not Male", "hair_colour=gray"), or a saved
            direction.
        method : {"mean_difference", "median_difference", "linear"}
            How the direction is estimated.
        orthogonal_to : sequence of str
            Classes and attributes that the direction should not change.
        seed : int
            Random seed (default 0).

        Returns
        -------
        RunDirection
            With `.move(z, amount)`, `.evaluate()`, `.strip()` and `.save()`.

        Examples
        --------
        >>> atlas.find_direction("left", orthogonal_to=["below"])
        <RunDirection left without below>
        """
        direction = find.find_direction(
            self.workspace, name, method=method, orthogonal_to=orthogonal_to, seed=seed
        )
        return RunDirection(self.workspace, direction)

    def find_directions(
        self, method: str, *, seed: int = 0, settings: Mapping[str, object] | None = None
    ) -> list[RunDirection]:
        """Return all directions that a method finds.

        Parameters
        ----------
        method : str
            "labels", "principal", "closed_form", "boundary", "channels", "transform", "unsupervised",
            "predictor", "examples", or a method of a plugin.
        seed : int
            Random seed (default 0).
        settings : mapping
            Settings of the method, as ``{"count": 8}``.

        Examples
        --------
        >>> len(atlas.find_directions("principal", settings={"count": 2}))
        2
        """
        options: Mapping[str, Any] = settings or {}
        result = find.find_directions(self.workspace, method, seed=seed, **options)
        return [RunDirection(self.workspace, direction) for direction in result]

    def directions(self) -> list[RunDirection]:
        """Return the directions that are saved in the run.

        Examples
        --------
        >>> path = atlas.find_direction("left").save()
        >>> [direction.name for direction in atlas.directions()]
        ['left']
        """
        return [RunDirection(self.workspace, each) for each in find.store_of(self.workspace).all()]

    # The model

    def space(self, name: str) -> "Atlas":
        """Return the run in another latent space of its model.

        Parameters
        ----------
        name : str
            "z" is the input of the model. A StyleGAN also has "w", "w+" (a row for each layer) and "s" (the
            style channels), a BigGAN "embedding".

        Raises
        ------
        UnknownName
            The model has no such space.

        Examples
        --------
        >>> atlas.space("z").latents().shape
        (30, 2)
        """
        return Atlas(self.workspace.in_space(name))

    @property
    def styles(self) -> Styles:
        """The layers of a StyleGAN: `mix`, `mixing`, `truncation`, `noise` and `decode`."""
        return styles_of(self.workspace)

    def evaluate(self, groups: Sequence[str] | None = None, *, seed: int = 0) -> Evaluation:
        """Measure the run, and find what limits it.

        Parameters
        ----------
        groups : sequence of {"likelihood", "space", "samples", "meaning", "charts"}
            Groups of metrics, or names of a plugin (default: all).
        seed : int
            Random seed (default 0).

        Returns
        -------
        Evaluation
            With `.metrics`, `.findings` and `.report("x.html")`.

        Examples
        --------
        >>> atlas.evaluate(["space"]).metrics["active_units"].value
        2.0
        """
        return Evaluation(self.workspace, evaluate(self.workspace, groups=groups or None, seed=seed))

    def annotate(self, classifier: Classifier, *, save: bool = False) -> "Atlas":
        """Return the same run with a classifier's predictions as attributes of its images.

        Parameters
        ----------
        classifier : Classifier
            As `zatlas.training.classifier_training.train_classifier` returns.
        save : bool
            Save the predictions in the run.

        Examples
        --------
        >>> from zatlas.training.classifier_training import train_classifier
        >>> classifier = train_classifier(atlas.dataset, epochs=1, show=False)
        >>> list(atlas.annotate(classifier).dataset.attributes)
        ['label']
        """
        return Atlas(self.workspace.annotate(classifier, save=save))

    def fit_prior(self, kind: str = "flow", *, seed: int = 0) -> SavedPrior:
        """Fit a density to the training latents, and save it in the run.

        Parameters
        ----------
        kind : {"flow", "mixture"}
            A normalizing flow or a mixture of normal distributions.
        seed : int
            Random seed (default 0).

        Returns
        -------
        SavedPrior
            `.prior` samples and gives densities; `.description` says how well it fits.

        Examples
        --------
        >>> atlas.fit_prior("mixture").prior.sample(4, seed=0).shape
        (4, 2)
        """
        return fit_prior(self.workspace, kind, seed=seed)

    def train_encoder(self, *, epochs: int = TRAINING.epochs, seed: int = 0) -> "Atlas":
        """Train an encoder for a model that has none, save it, and return the run opened with it.

        Parameters
        ----------
        epochs : int
            Passes over samples of the model.
        seed : int
            Random seed (default 0).

        Raises
        ------
        NotSupported
            The model has an encoder, or it has no decoder.

        Examples
        --------
        >>> gan = zatlas.load("runs/gan").train_encoder(epochs=1)
        >>> gan.encode(gan.generate(3)).shape
        (3, 2)
        """
        return Atlas(train_encoder(self.workspace, epochs=epochs, seed=seed))
