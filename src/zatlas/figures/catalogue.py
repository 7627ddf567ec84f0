"""Every figure that applies to a run, with the command that draws it and the text that explains it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from zatlas.directions.find import find_directions, known_names
from zatlas.figures import attribute_edits, edits, file_name, file_names, geometry, maps, paths, sheets
from zatlas.figures.anchor_sheets import class_sheet, four_corners
from zatlas.figures.class_inputs import default_label
from zatlas.figures.entry import Entry, Words, entry_of, run_figures
from zatlas.figures.paths import LatentPath
from zatlas.figures.style_sheets import has_layers, layered, mixing_sheet, truncation_sheet
from zatlas.latent.attributes import attribute_names, limit_text, pretty, title_of
from zatlas.latent.curves import spiral
from zatlas.latent.names import text_of
from zatlas.locate import default_anchors
from zatlas.render.figure import Figure
from zatlas.render.moving import default_ending
from zatlas.render.pixels import save
from zatlas.render.theme import Theme
from zatlas.workspace import Workspace

GRID_SIDE = 15  # positions along each side of a grid
POSITIONS = np.array([[-0.857, 0], [0, 0], [0.857, 0]], np.float32)  # of the chart
FACE_ATTRIBUTES = (
    *("Smiling", "Mouth_Slightly_Open", "Bald", "Bangs", "Gray_Hair", "Black_Hair", "Brown_Hair"),
    *("Blond_Hair", "No_Beard", "Pale_Skin", "Oval_Face", "Male"),
)
FRAMES = 150  # of a film
CLOSED_FORM = 3  # directions of a model without an encoder
MAX_FILMS = 2  # attributes that also get a film
MAX_ATTRIBUTES = 12  # attributes with a figure


def entries(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    """Return the figures and films that apply to a run, in the order of the page; those of plugins last."""
    stems = set()
    for entry in _built_in(workspace, theme):
        stems.add(entry.name)
        yield entry
    for name, figure in run_figures(workspace):
        yield entry_of(name, figure, workspace, theme, stems)


def _built_in(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    yield from _generated(workspace, theme)
    if workspace.source.indexed or not workspace.source.decodes:
        yield from _latent_space(workspace, theme)
    if workspace.dim > 2:
        yield from _charts(workspace, theme)
    yield from _paths(workspace, theme)
    if workspace.source.indexed:
        yield from _directions(workspace, theme)
    if workspace.source.kind == "sample" and workspace.dim > 1:
        yield from _closed_form(workspace, theme)
    if has_layers(workspace):
        yield from _styles(layered(workspace), theme)
    yield from _geometry(workspace, theme)


def _styles(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, section = workspace.run.folder, "Layers of styles"
    yield Entry(
        section,
        "mixing.png",
        "Style mixing",
        "Each row is a sample that takes some layers from the sample above each column.",
        "Coarse layers set pose and shape, medium layers set parts, and fine layers set colors.",
        ("mix", run),
        partial(_save_figure, partial(mixing_sheet, workspace, theme=theme)),
    )
    yield Entry(
        section,
        "truncation.png",
        "Truncation",
        "Samples at several distances from the mean of w; beyond the mean they turn into their opposites.",
        "Images near the mean are more typical and less varied.",
        ("gallery", run, "--only", "truncation"),
        partial(_save_figure, partial(truncation_sheet, workspace, theme=theme)),
    )


def _generated(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, prior = workspace.run.folder, workspace.generator.space.prior != "none"
    section = "Generated images"
    yield Entry(
        section,
        "samples.png",
        "Samples",
        "Images decoded from random latents,"
        + (
            " sampled from the prior."
            if prior
            else " sampled from a normal distribution fitted to the latents."
        ),
        "A generative model maps samples of a simple distribution, the prior, to images."
        if prior
        else "An auto-encoder is not trained to fill its latent space, so latents between encoded images may decode badly.",
        ("sample", run),
        lambda path: save(sheets.sample_sheet(workspace, theme=theme), path),
    )
    if (
        not workspace.source.indexed or workspace.source.kind == "sample"
    ):  # encoded samples follow the prior already
        return
    yield Entry(
        section,
        "samples-priors.png",
        "Samples by prior",
        "Samples of the model's own prior, and samples of a density fitted to the latents.",
        "Encoded images rarely fill the prior evenly. Sampling from a density fitted to the latents avoids the empty regions, so samples look better.",
        ("prior", run, "--kind", "mixture"),
        lambda path: save(sheets.prior_sheet(workspace, theme=theme), path),
    )
    yield Entry(
        section,
        "reconstructions.png",
        "Reconstructions",
        f"{'Held-out' if workspace.holds_out else 'Training'} images, and their reconstructions from {workspace.dim} numbers each.",
        "Details that the latent does not store are lost. The decoder then predicts an average, which looks blurred.",
        ("reconstruct", run),
        lambda path: save(sheets.reconstruction_sheet([workspace], theme=theme), path),
    )


def _latent_space(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, section = workspace.run.folder, "The latent space"
    latents = "samples" if workspace.source.kind == "sample" else "latents"
    class_names = "; each class name is at the center of its points."
    yield Entry(
        section,
        "manifold.png",
        "The latent plane",
        f"A plane of the latent space, decoded at {GRID_SIDE} x {GRID_SIDE} positions; the second dimension points upwards.",
        "Steps are equal in the prior's probability mass, so every tile stands for the same share of samples."
        if workspace.generator.space.prior != "none"
        else "Steps are equal between the 1st and the 99th percentile of the latents.",
        ("grid", run),
        lambda path: save(sheets.manifold(workspace, GRID_SIDE, theme=theme), path),
    )
    yield Entry(
        section,
        "scatter.png",
        f"The {latents}",
        f"The positions of the {maps.point_noun(workspace, 'test')} in the latent space"
        + (class_names if workspace.has_dataset and workspace.dataset.classes else "."),
        "The model was trained without labels."
        if not workspace.generator.classes
        else "This model gets the class as an input, so latents need not contain it: the classes overlap.",
        ("scatter", run),
        lambda path: save(maps.latent_scatter(workspace, theme=theme), path),
    )


def _charts(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    """The chart that was made last, or the default one."""
    run, section, charts = workspace.run.folder, "The latent space", workspace.charts
    request, options = charts.request(), [] if charts.current is None else charts.current.options
    subject = "what the samples look like" if workspace.source.kind == "sample" else "the latents"
    yield Entry(
        section,
        "chart.png",
        "A chart",
        f"A two-dimensional layout of {subject}: neighbors stay neighbors.",
        "Large distances on a chart mean little. Its trustworthiness says how reliable neighborhoods are.",
        ("chart", run, *options),
        lambda path: save(maps.chart_scatter(workspace, workspace.chart_of(request), theme=theme), path),
    )
    yield Entry(
        section,
        "chart-sheet.png",
        "The chart, decoded",
        "The decoded image at each position of the chart; paler outside the data.",
        "The latent of a position is interpolated from the latents around it, and then decoded.",
        ("grid", run, "--by", "chart"),
        lambda path: save(
            sheets.chart_sheet(workspace, workspace.chart_of(request), GRID_SIDE, theme=theme), path
        ),
    )
    if workspace.source.decodes:
        yield Entry(
            section,
            "decoded.png",
            "Three positions of the chart",
            f"Positions at the left, in the center and at the right, decoded; below is the nearest {workspace.source.kind}.",
            "Where the two rows differ much, the chart has no data.",
            ("decode", run, *(f"{number:g}" for number in POSITIONS.ravel())),
            lambda path: save(
                sheets.chart_positions(workspace, workspace.chart_of(request), POSITIONS, theme=theme), path
            ),
        )


def _paths(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, section = workspace.run.folder, "Paths"
    anchors, kind = default_anchors(workspace, 4), workspace.source.kind
    names = [anchor.name for anchor in anchors]
    # A conditional model that cannot mix classes keeps one on a path.
    label = default_label(workspace, anchors)
    option = () if label is None else ("--label", workspace.generator.classes[label])
    theory = "In two dimensions a straight line is a good path."
    if workspace.dim > 2:
        theory = "The path keeps the distance from the center at which the data lies."
    yield from _path(
        section,
        "interpolation",
        f"From {kind} to {kind}",
        f"A path through three {kind}s and back to the first.",
        f"{theory} Its speed is adjusted so that the image changes evenly.",
        ("interpolate", run, *names[:3], "--loop", "--constant-speed", *option),
        lambda: paths.interpolation(workspace, anchors[:3], closed=True, constant_speed=True, label=label),
        theme,
        panel="prior" if workspace.dim == 2 else "none",
    )
    yield Entry(
        section,
        "corners.png",
        "Between four images",
        f"Four {kind}s at the corners, and interpolations between them.",
        "A latent between two others decodes to a plausible image, not to a cross-fade of the two.",
        ("interpolate", run, *names, "--corners", *option),
        lambda path: save(four_corners(workspace, anchors, label=label, theme=theme), path),
    )
    yield from _path(
        section,
        "traversal",
        "One dimension at a time",
        "Each row changes one dimension and holds the others; dimensions that change the image most come first.",
        "A dimension that changes nothing is unused: the model stores no information in it.",
        ("traverse", run),
        lambda: paths.traversal(workspace),
        theme,
        film=False,
    )
    if workspace.dim == 2:
        yield from _spiral(workspace, theme)
    if workspace.generator.classes:
        yield _classes(workspace, theme)


def _spiral(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    return _path(
        "Paths",
        "path",
        "A spiral",
        "From the center of the plane outwards, with the position next to the image.",
        "The prior is densest at the center, so the model is trained most for images there.",
        ("path", workspace.run.folder),
        lambda: paths.plane_walk(workspace, spiral(), f"A spiral in {workspace.name}"),
        theme,
        panel="prior",
    )


def _classes(workspace: Workspace, theme: Theme) -> Entry:
    return Entry(
        "Paths",
        "classes.png",
        "One latent in every class",
        f"Each row decodes the latent of one {workspace.source.kind} in every class of the model.",
        "The latent of a conditional model stores what the class does not say, such as the style.",
        ("grid", workspace.run.folder, "--by", "class"),
        lambda path: save(class_sheet(workspace, theme=theme), path),
    )


def _directions(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, section = workspace.run.folder, "What directions mean"
    kind, names = workspace.source.kind, known_names(workspace)
    attributes = attribute_names(workspace.dataset)
    faces = [name for face in FACE_ATTRIBUTES for name in attributes if name.text == face]
    chosen = faces or attributes[:MAX_ATTRIBUTES]
    texts = [text_of(name, names, anchor=False) for name in chosen]
    files = file_names(f"edit-{text}" for text in texts)
    for number, (name, typed, file) in enumerate(zip(chosen, texts, files, strict=True)):
        yield from _path(
            section,
            file,
            limit_text(workspace.dataset, name) or title_of(name),
            f"Four {kind}s moved against and along the attribute; the middle column is unchanged.",
            f"The direction is the difference between the mean latents of {kind}s with and without it."
            if number == 0
            else "",
            ("edit", run, typed),
            partial(attribute_edits.attribute, workspace, typed),
            theme,
            film=number < MAX_FILMS,
        )
    equation = geometry.default_equation(workspace)
    yield Entry(
        section,
        "arithmetic.png",
        "Arithmetic",
        "Mean latents, added and subtracted, and the decoded result.",
        "If two groups differ by a direction, the direction can be added to another latent.",
        ("arithmetic", run, equation),
        lambda path: save(geometry.arithmetic(workspace, equation, theme=theme)[0], path),
    )


def _closed_form(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    """The directions of a model without an encoder."""
    command = ("directions", "find", workspace.run.folder, "closed_form", "--set", f"count={CLOSED_FORM}")
    for number, direction in enumerate(find_directions(workspace, "closed_form", count=CLOSED_FORM)):
        yield Entry(
            "What directions mean",
            f"{file_name(f'direction-closed_form-{direction.name}')}.png",
            pretty(direction.name).capitalize(),
            "Four samples moved against and along the direction; the middle column is unchanged.",
            "The first layer of the decoder reacts most to these directions, so they change the image most."
            if number == 0
            else "",
            command,
            partial(_save_figure, partial(edits.unlabelled_strip, workspace, direction, theme=theme)),
        )


def _geometry(workspace: Workspace, theme: Theme) -> Iterator[Entry]:
    run, section = workspace.run.folder, "Geometry in many dimensions"
    draw: dict[str, Callable[[], Figure]] = {
        "own-norms": lambda: geometry.own_norms(workspace, theme=theme),
        "volumes": lambda: geometry.volumes(theme=theme),
        "norms": lambda: geometry.norms(theme=theme),
        "midpoints": lambda: geometry.midpoints(workspace, theme=theme),
    }
    for name, (title, theory) in geometry.explanations(workspace).items():
        yield Entry(
            section,
            f"geometry-{name}.png",
            title,
            "",
            theory,
            ("geometry", run),
            partial(_save_figure, draw[name]),
        )


def _path(
    section: str,
    file: str,
    title: str,
    about: str,
    theory: str,
    words: Words,
    make: Callable[[], LatentPath],
    theme: Theme,
    *,
    film: bool = True,
    panel: str = "none",
) -> Iterator[Entry]:
    """The strip of a path and, if `film` is true, its film."""
    options = ["--panel", panel] if words[0] == "interpolate" and panel != "none" else []
    yield Entry(
        section,
        f"{file}.png",
        title,
        about,
        theory,
        (*words, "--out", f"{file}.png") if words[0] == "path" else words,
        lambda path: save(make().strip(theme=theme), path),
    )
    if film:
        yield Entry(
            section,
            f"{file}{default_ending()}",
            f"{title}, as a film",
            "",
            "",
            (*words, *options, "--frames", FRAMES, "--out", f"{file}{default_ending()}"),
            lambda path: make().film(path, FRAMES, panel=panel, theme=theme),
        )


def _save_figure(draw: Callable[[], Figure], path: Path) -> Path:
    return save(draw(), path)
