"""What a page reads: the manifest.

`python -m tests.write_contract` writes these types, with their comments, as web/src/contract.ts.
Every URL is relative to the page; numbers in files are little-endian.
"""

from typing import Literal, NotRequired, TypedDict

RowKind = Literal[
    "image", "sample", "latent"
]  # what a row is: an encoded image, a sample, an imported latent


class Shape(TypedDict):
    """The size of a latent or of an image."""

    channels: int  # 0 if the run has no decoder
    height: int
    width: int


class SpaceEntry(TypedDict):
    """A latent space of a model, such as the w of a StyleGAN."""

    name: str
    dim: int
    entry: str | None  # URL of its RunEntry; null for the space of the manifest's own entry


class LayerEntry(TypedDict):
    """Layers of a latent of shape (layers, width) that are mixed together."""

    name: str  # "coarse", "medium", "fine"; of a class embedding "latent", "class"
    first: int  # layer
    last: int
    columns: tuple[int, int]  # of the flat latent: the first one, and the one after the last


class ClassLatents(TypedDict):
    """The vectors of the classes of a model in the space of its class embedding."""

    url: str  # float16, (names.length, width)
    names: list[str]


class RunIdentity(TypedDict):
    """What a run is, before anything is computed from it."""

    id: str  # "a" or "b"; with a number in another latent space, as "a-1"
    stamp: str  # changes when anything of the run changes
    name: str  # of the folder and, unless it is "z", of the latent space: "portraits (w)"
    folder: str  # the name of the run's folder
    space: str  # the latent space: "z" is the input of the model
    spaces: list[SpaceEntry]  # that the page can show; empty if there is only one
    layers: list[LayerEntry]  # empty if latents have no layers
    summary: str  # one line: "VAE, 32 latent dimensions"
    data: str  # name of the data set
    fingerprint: str  # of the data set: runs with the same one have the same images
    family: str  # "vae", "ae", "gan" ...
    dim: int
    prior: Literal["normal", "sphere", "none", "mapped"]
    image: Shape
    coarse: int | None  # pixels of a side of the quick previews that a server decodes; null if it has none
    classes: list[str]  # class names of a conditional model, otherwise empty
    kind: RowKind


class Column(TypedDict):
    """A column of `table`. Every file also has `index`, the row in the data set."""

    name: str  # in the Arrow file
    title: str
    kind: Literal["class", "flag", "number"]  # uint8 or uint16; 0 or 1; float32
    values: NotRequired[list[str]]  # of a class
    range: NotRequired[tuple[float, float]]  # of a number: 1st and 99th percentile


class LatticeFile(TypedDict):
    """The inverse of a chart on a grid."""

    url: str  # (n * n, dim) float16: latents of a grid over the box, row by row from the top left
    n: int


class Projection(TypedDict):
    """A linear projection: position = origin + (z - mean) @ components.T"""

    components: list[float]  # (2, dim), flat
    mean: list[float]
    origin: tuple[float, float]


class Square(TypedDict):
    """A square of a chart with a tile. Points in squares without one are in larger tiles, or in `table`."""

    level: int  # the box is 2 ** level squares wide and high
    x: int  # from the left
    y: int  # from the bottom
    count: int  # points of its tile and of all tiles inside it
    counts: dict[str, list[int]]  # by column: how many of them have each value


class Tiles(TypedDict):
    """The points that do not fit into `table`, in the squares of a chart's box that is halved repeatedly."""

    url: str  # followed by "level-x-y.arrow": the columns of `table`, and `rank` among all points
    squares: list[Square]  # of the first level; a tile's metadata "zatlas" lists those inside it


class ChartEntry(TypedDict):
    """A chart: positions of the latents in two dimensions."""

    name: str  # "grid_umap", "grid_umap by label", "pca" ...
    title: str
    x: str  # columns of `table`, float32
    y: str
    trustworthiness: float
    box: tuple[float, float, float, float]  # left, bottom, right, top
    lattice: LatticeFile
    coverage: str  # (n * n) uint8 for the same grid: 255 inside the data, 0 in a gap
    projection: Projection | None  # of a linear chart
    reach: float  # the 17th nearest point is at most this far inside the data
    averaged: int  # nearest points that the latent of a position is averaged over
    tiles: Tiles | None


class Sprites(TypedDict):
    """Thumbnails of the images, in sheets."""

    width: int  # of one thumbnail; smaller than the image if that is large
    height: int
    columns: int  # thumbnails per row of a sheet
    rows: int  # of a sheet
    sheets: list[str]  # PNG or WebP; thumbnail i is on sheet floor(i / (columns * rows))


class DensityEntry(TypedDict):
    """The relative distance of a latent from the data: 1 is typical, and 1 % of encoded images are beyond 2.

    `scale` of the larger of two numbers: `distance_scale` of d and `norm_scale` of |norm - typical_norm|,
    where norm = sqrt(sum(weights * (z - center)^2)), and d is the mean over the nearest latents of
    sqrt(max(0, distance^2 - noise)), with the noise = sum((z - center)^2) over dimensions without weight.
    """

    neighbors: int
    center: list[float]
    weights: list[float]  # the inverse of each dimension's variance; 0 if it holds only noise
    distance_scale: tuple[float, float]  # the values that count as 1 and as 2; it is linear
    typical_norm: float
    norm_scale: tuple[float, float]
    scale: tuple[float, float]


class ModelFile(TypedDict):
    """An ONNX file that the page runs."""

    url: str  # ONNX: z (n, dim) -> x (n, c, h, w) in [0, 1], or x -> z; with y (n) int64 if conditional
    bytes: int


class DimensionEntry(TypedDict):
    """A dimension of the latent space."""

    index: int
    change: float  # root mean square of the image's change from one std below to one std above


class ScoreEntry(TypedDict):
    """How well a direction separates the images with its attribute from the others."""

    auc: float  # area under the ROC curve on held-out latents
    low: float  # 95 % interval
    high: float
    random_limit: float  # 97.5 % of directions fitted to shuffled labels stay below this


class ReportEntry(TypedDict):
    """What a direction changes in decoded images."""

    significant: bool  # whether it exceeds shuffled labels, or random directions if it has no labels
    verdict: str  # as "better than shuffled labels (p = 0.005)"
    text: str


class FieldEntry(TypedDict):
    """A nonlinear direction: a net of three layers that reads latents standardized by its mean and std."""

    url: str  # float32: mean, std, three weight matrices (from, to) row by row, three offsets
    kind: Literal["gradient", "vector"]  # of the first output, or the output itself
    sizes: list[int]  # dimensions, units of both hidden layers, outputs
    ridge: float  # of the projection that holds the other outputs


class DirectionEntry(TypedDict):
    """A direction of the latent space."""

    name: str
    title: str
    kind: Literal["attribute", "class", "closed_form", "principal", "saved"]
    std: float  # of the latents along the vector
    score: ScoreEntry | None
    explained_variance: float | None  # of a principal component: share of the total variance
    effects: dict[str, float]  # mean change of each probe by one standard deviation
    range: NotRequired[tuple[float, float]]  # amounts between which the edit works
    description: NotRequired[str]  # the attribute that it should move, if that is not its name
    report: NotRequired[ReportEntry]
    field: NotRequired[FieldEntry]  # of a nonlinear direction; its row of `vectors` is its mean step


class ProbeEntry(TypedDict):
    """A linear model that predicts an attribute from a latent."""

    name: str
    offset: float  # P(name | z) = 1 / (1 + exp(-(z . weights + offset)))


class DirectionsEntry(TypedDict):
    """All directions and probes of a run."""

    vectors: str  # float32, (list.length, dim): unit vectors
    list: list[DirectionEntry]
    normals: str  # float32, (probes.length, dim): normals of the attributes' hyperplanes
    probes: "list[ProbeEntry]"
    weights: str  # float32, (probes.length, dim)


class ClassifierFile(ModelFile):
    """x (n, c, h, w) in [0, 1] -> (n, names.length)"""

    names: list[str]
    kinds: list[Literal["flag", "number", "class"]]  # a number is a value, the others are probabilities


class GeodesicEntry(TypedDict):
    """A geodesic that was computed in advance."""

    start: int  # row of `table`
    end: int
    url: str  # float16, (steps, dim)
    steps: int


class FittedPrior(TypedDict):
    """A prior that was fitted to the latents after training."""

    kind: Literal["mixture", "flow"]
    url: str  # safetensors
    bytes: int
    samples: str  # float16, (n, dim): the samples that `zatlas sample` numbers
    log_density: float  # mean over held-out latents, in nats
    model_log_density: float  # the same under the model's own prior


class Training(TypedDict):
    """How far the training has come."""

    epoch: int
    epochs: int
    running: bool
    metrics: list[dict[str, float]]  # rows of metrics.jsonl


class KeyframeEntry(TypedDict):
    """A keyframe of a timeline: a latent with its edits, or an anchor that the edits move."""

    anchor: NotRequired[str]
    latent: NotRequired[list[float]]
    label: NotRequired[str]  # class of a conditional model
    hold: NotRequired[float]  # seconds
    seconds: NotRequired[float]  # to the next keyframe
    easing: NotRequired[str]
    edits: NotRequired[dict[str, float]]  # direction -> standard deviations


class TimelineEntry(TypedDict):
    """A timeline that was saved in the run."""

    format: Literal[1]
    keyframes: list[KeyframeEntry]
    method: NotRequired[str | None]
    closed: NotRequired[bool]
    constant_rate: NotRequired[bool]


class RunContent(TypedDict):
    """What is computed from a run."""

    total: int  # rows of the data set that could be shown
    count: int  # rows of `table`: all, or a uniform sample in random order
    table: str  # Arrow IPC file, see Column
    latents: str | None  # (count, dim) float16; null if too large for a page
    columns: list[Column]
    charts: list[ChartEntry]  # the first is shown first
    sprites: Sprites | None  # null for rows without images
    density: DensityEntry | None
    decoder: ModelFile | None  # null: only the server decodes
    encoder: ModelFile | None
    dimensions: list[DimensionEntry]  # those that change the image most first
    class_latents: ClassLatents | None  # of a class embedding: the layer "class" of each class
    center: str | None  # float32 (dim): the mean that truncation moves towards; null if the space has none
    mean: list[float]  # of the latents
    std: list[float]  # of each dimension
    directions: DirectionsEntry
    classifier: ClassifierFile | None  # null: attributes are only estimated by linear probes
    geodesics: list[GeodesicEntry]  # for pages without a server
    samples: str | None  # as in FittedPrior, of the model's own prior; null in training or without decoder


class RunEntry(RunIdentity, RunContent):
    """A run in the manifest."""

    fitted_prior: FittedPrior | None  # null: the page samples from the model's own prior
    training: Training | None  # of a run that is still being trained
    timelines: NotRequired[dict[str, TimelineEntry]]  # by name
    notice: NotRequired[str | None]  # why the run cannot be read now; the page shows what was read before


class Manifest(TypedDict):
    """data/manifest.json"""

    format: Literal[1]
    zatlas: str  # the version that wrote it
    runs: list[RunEntry]  # one, or two to compare
    socket: str | None  # relative URL of the live server's WebSocket; null in an export
    story: NotRequired[str]  # Markdown of the story that the page opens with
