"""Colours of figures: a light and a dark theme."""

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Theme:
    """The colours of a figure, as #rrggbb."""

    name: str
    paper: str
    ink: str  # titles
    pale: str  # secondary text
    line: str  # frames and ticks
    grid: str  # grid lines
    palette: tuple[str, ...]  # for classes; neighbours differ for colour-blind readers
    scale: tuple[float, float]  # the range of viridis that contrasts with the paper
    real: str  # images of the dataset
    generated: str  # generated images
    inside: str  # near the data
    outside: str  # outside the data


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#222222",
    pale="#666666",
    line="#c8c8c8",
    grid="#eeeeee",
    palette=(
        "#4477aa",
        "#ee6677",
        "#228833",
        "#b8a12f",
        "#66ccee",
        "#aa3377",
        "#8a8a8a",
        "#ee7733",
        "#004488",
        "#9a5b3c",
        "#44aa99",
        "#b57edc",
    ),
    scale=(0.0, 0.93),
    real="#4477aa",
    generated="#ee7733",
    inside="#a9c3d9",
    outside="#d9541e",
)

DARK = Theme(
    name="dark",
    paper="#15171a",
    ink="#ececec",
    pale="#a3a8ae",
    line="#4a4f55",
    grid="#26292d",
    palette=(
        "#77aadd",
        "#ff8899",
        "#55bb66",
        "#ddcc66",
        "#99ddff",
        "#dd77bb",
        "#b5b5b5",
        "#ff9f66",
        "#5588dd",
        "#c98f6f",
        "#66ccbb",
        "#c9a3ea",
    ),
    scale=(0.22, 1.0),
    real="#77aadd",
    generated="#ff9f66",
    inside="#3f566b",
    outside="#ff7a45",
)


def rgb(colour: str) -> RGB:
    """Convert #rrggbb to three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def between(a: str, b: str, t: float) -> str:
    """Interpolate between two colours: a at t = 0, b at t = 1."""
    pairs = zip(rgb(a), rgb(b), strict=True)
    return "#" + "".join(f"{round(x + (y - x) * t):02x}" for x, y in pairs)
