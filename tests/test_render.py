import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from zatlas.core.errors import NotSupported, ShapeError
from zatlas.render import text
from zatlas.render.canvas import Bar, Text, Tiles
from zatlas.render.equation import Term, equation
from zatlas.render.loss_plots import loss_curves
from zatlas.render.pixels import enlarge, save, to_bytes
from zatlas.render.plot import bars, cloud, clouds, lines
from zatlas.render.sheet import Axis, blocks, sheet
from zatlas.render.strip import MAX_COLUMNS, strip
from zatlas.render.theme import DARK, LIGHT, rgb

MINUS = "\N{MINUS SIGN}"
ODD = "<b>&\"'] ≈ \N{MINUS SIGN}Σ Ĕ Δ ж \x00 \ud800\n漢"


def noise(n, side=8, channels=1, seed=0):
    shape = (n, channels, side, side)
    return np.random.default_rng(seed).random(shape, np.float32)


def tiles_of(canvas):
    return [item for item in canvas.items if isinstance(item, Tiles)]


def words_of(canvas):
    return [item for item in canvas.items if isinstance(item, Text)]


def collide(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


def assert_tidy(canvas):
    """Nothing runs off the paper, and no words touch words or images."""
    boxes = [item.box() for item in canvas.items]
    assert min(min(box[:2]) for box in boxes) >= 0
    assert max(box[2] for box in boxes) <= canvas.width
    assert max(box[3] for box in boxes) <= canvas.height
    written = [item.box() for item in words_of(canvas)]
    assert not [pair for pair in combinations(written, 2) if collide(*pair)]
    images = [
        (*grid.at(i), grid.at(i)[0] + grid.wide, grid.at(i)[1] + grid.high)
        for grid in tiles_of(canvas)
        for i in range(len(grid.pixels))
    ]
    assert not [(w, i) for w in written for i in images if collide(w, i)]


def test_pixels_are_rounded_clipped_and_never_a_surprise():
    x = np.float32([0, 0.5, 1, 2, -1, np.nan]).reshape(1, 1, 2, 3)
    result = to_bytes(x)
    assert result.shape == (1, 2, 3, 3)
    assert result[..., 0].ravel().tolist() == [0, 128, 255, 255, 0, 0]


def test_small_images_are_enlarged_by_an_integer_factor():
    tile = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    large = enlarge(tile, 5)
    assert large.shape == (1, 6, 6, 3)
    np.testing.assert_array_equal(large[:, ::3, ::3], tile)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize(("side", "channels"), [(8, 3), (28, 1), (64, 3), (512, 3)])
@pytest.mark.parametrize(("n", "columns"), [(1, 1), (7, 3), (8, 4)])
def test_a_sheet_shows_every_pixel_of_every_image(side, channels, n, columns, theme):
    images = noise(n, side, channels)
    canvas = sheet(images, columns, theme=theme)
    image = np.asarray(canvas.image())
    (grid,) = tiles_of(canvas)
    size, pixels = side * grid.factor, to_bytes(images)
    for index in range(n):
        x, y = grid.at(index)
        result = image[y : y + size, x : x + size]
        np.testing.assert_array_equal(result, enlarge(pixels[index : index + 1], size)[0])
    rest = image[grid.at(n)[1] + 5, grid.at(n)[0] + 5] if n % columns else image[0, 0]
    assert tuple(rest) == rgb(theme.paper)


def test_a_manifold_has_no_gaps_and_goes_upwards():
    marks = [-1.5, -0.5, 0.5, 1.5]
    axes = (Axis("right", marks), Axis("up", [10 * mark for mark in marks]))
    canvas = sheet(noise(16), 4, axes=axes)
    (grid,) = tiles_of(canvas)
    assert grid.gap == 0 and len(list(grid.blocks())) == 1
    output = {item.text: item for item in words_of(canvas)}
    assert output[MINUS + "1.5"].x < output["1.5"].x
    assert output[MINUS + "15"].y > output["15"].y
    assert_tidy(canvas)


@pytest.mark.parametrize("marks", [[-3, -1, 2, 4], [-0.5, 0.5], [-2, -1, 0, 1, 2]])
def test_the_origin_is_marked_where_nought_falls(marks):
    canvas = sheet(noise(len(marks) ** 2), len(marks), axes=(Axis("first", marks), Axis("second", marks)))
    (grid,) = tiles_of(canvas)
    left, top, _, bottom = grid.box()
    position = np.interp(0, marks, np.arange(len(marks))) + 0.5
    lines_ = [item for item in canvas.items if isinstance(item, Bar) and item.colour == LIGHT.ink]
    upright = {(bar.left + bar.right) / 2 for bar in lines_ if bar.bottom - bar.top > 2}
    across = {(bar.top + bar.bottom) / 2 for bar in lines_ if bar.right - bar.left > 2}
    assert all(abs(x - left - position * grid.wide) <= 1 for x in upright) and upright
    assert all(abs(bottom - y - position * grid.high) <= 1 for y in across) and across
    crosses = [bar for bar in lines_ if (bar.top, bar.bottom) == (top, bottom)]
    assert bool(crosses) is (0 not in marks)  # an image at the origin is not crossed out


def test_a_plane_without_the_origin_has_no_mark_for_it():
    marks = [1, 2, 3]
    canvas = sheet(noise(9), 3, axes=(Axis("a", marks), Axis("b", marks)))
    assert not [i for i in canvas.items if isinstance(i, Bar) and i.colour == LIGHT.ink]


@pytest.mark.parametrize("count", [2, 9, 15, 40, 60])
@pytest.mark.parametrize("side", [8, 28])
def test_marks_are_thinned_so_that_none_collide(count, side):
    marks = np.linspace(-12.25, 12.25, count)
    canvas = sheet(noise(count * 3, side), count, axes=(Axis("a", marks), Axis("b", [1, 2, 3])))
    assert_tidy(canvas)
    assert len(words_of(canvas)) > 3


@pytest.mark.parametrize("columns", [1, 3, 14, 60])
def test_words_never_collide_or_run_off_the_paper(columns):
    heads = [f"Mouth_Slightly_Open {i}" for i in range(columns)]
    canvas = sheet(
        noise(2 * columns),
        columns,
        title="A title that is a good deal longer than the paper of a small figure is wide " * 3,
        note="And a note of many words, which says how the figure was drawn, and from what. " * 3,
        rows=["real", "a_rather_long_name_for_a_row"],
        heads=heads,
    )
    assert_tidy(canvas)


def test_rows_that_are_dimmed_fade_into_the_paper():
    images = np.zeros((4, 1, 8, 8), np.float32)
    canvas = sheet(images, 2, dim=np.array([False, True, False, False]))
    (grid,) = tiles_of(canvas)
    assert [int(tile.mean()) for tile in grid.pixels] == [0, 128, 0, 0]
    with pytest.raises(ShapeError, match="4 images and 3 flags"):
        sheet(images, 2, dim=np.zeros(3, bool))


def test_a_figure_that_is_too_large_is_reduced_by_averaging():
    canvas = sheet(noise(60, 300), 60)
    assert max(canvas.size) < 10_000


@pytest.mark.parametrize(
    "draw",
    [
        lambda: sheet(noise(0), 3),
        lambda: strip(noise(0)),
        lambda: blocks({"a": noise(0)}, 2),
        lambda: blocks({}, 2),
        lambda: equation([]),
        lambda: sheet(noise(4, channels=2), 2),
        lambda: sheet(noise(4), 0),
        lambda: sheet(noise(4), 2, axes=(Axis("a", [1, 2, 3]), Axis("b", [1, 2]))),
        lambda: strip(noise(4), far=np.zeros(3)),
        lambda: bars(["a"], np.zeros(2), title="", axis=""),
        lambda: lines(np.arange(3), {}, title="", axes=("x", "y")),
        lambda: clouds({}, (), title="", axes=("x", "y")),
    ],
)
def test_invalid_input_raises_an_error_in_one_sentence(draw):
    with pytest.raises(ShapeError, match=r"[a-z].*[.]$"):
        draw()


def test_blocks_stand_side_by_side_under_their_names():
    groups = {f"class {i}": noise(9, seed=i) for i in range(10)}
    marks = [-1, 0, 1]
    canvas = blocks(groups, 3, title="All", axes=(Axis("first", marks), Axis("second", marks)))
    assert_tidy(canvas)
    grids = tiles_of(canvas)
    assert len(grids) == 10 and len({grid.y for grid in grids}) == 2
    for grid, (_, images) in zip(grids, groups.items(), strict=True):
        np.testing.assert_array_equal(grid.pixels, to_bytes(images))
    assert {item.text for item in words_of(canvas)} >= set(groups)


def test_a_strip_says_where_it_leaves_the_data():
    far = np.array([1, 1, 2.5, 3, 1, 1, 1, 1, 1, 1.9])
    canvas = strip(noise(10), columns=5, far=far, heads=["real", "", "", "", "real"])
    output = [item for item in words_of(canvas) if item.text == MAX_COLUMNS]
    (grid,) = tiles_of(canvas)
    assert len(output) == 1
    assert grid.at(2)[0] < output[0].x < grid.at(4)[0]
    assert output[0].y < grid.at(5)[1]  # under its own row
    bars_ = [item for item in canvas.items if isinstance(item, Bar)]
    heights = [bar.bottom - bar.top for bar in bars_[:10]]
    assert heights[3] > heights[2] > heights[0]
    assert len({bar.colour for bar in bars_[:10]}) == 3
    assert_tidy(canvas)


def test_every_row_of_a_strip_can_have_its_own_headings():
    heads = ["4", "", "", "9", "1", "", "", "real"]
    canvas = strip(noise(8), columns=4, heads=heads, rows=["one", "two"])
    (grid,) = tiles_of(canvas)
    output = {item.text: item for item in words_of(canvas)}
    assert grid.at(0)[1] + grid.high < output["1"].y < grid.at(4)[1]
    assert_tidy(canvas)


def test_an_equation_has_its_operands_their_means_and_the_result():
    terms = [
        Term("", noise(3), "with glasses", noise(1)),
        Term("-", noise(7), "without", noise(1)),
        Term("+", noise(3), "smiling", noise(1)),
        Term("≈", noise(1), "result"),
    ]
    canvas = equation(terms, title="Sum")
    assert_tidy(canvas)
    output = [item.text for item in words_of(canvas)]
    assert [word for word in output if word in (MINUS, "+", "≈")] == [MINUS, "+", "≈"]
    grids = tiles_of(canvas)
    assert sum(len(grid.pixels) for grid in grids) == 3 + 7 + 3 + 1 + 3
    assert len({grid.box()[3] for grid in grids if len(grid.pixels) == 1}) == 1
    framed = [i for i in canvas.items if isinstance(i, Bar) and i.colour == LIGHT.generated]
    assert len(framed) == 4


@pytest.mark.parametrize("kind", ["png", "webp", "svg", "pdf", "jpg"])
def test_a_canvas_is_written_in_every_format(tmp_path, kind):
    canvas = sheet(noise(4, 28), 2, title=ODD, rows=[ODD, "b"])
    path = save(canvas, tmp_path / "new" / f"sheet.{kind}")
    data = path.read_bytes()
    if kind == "svg":
        root = ElementTree.fromstring(data)
        assert (int(root.get("width")), int(root.get("height"))) == canvas.size
    elif kind == "pdf":
        box = re.search(rb"/MediaBox \[([^]]*)\]", data)[1].split()
        assert tuple(map(float, box[2:])) == canvas.size
        assert b"DejaVuSans" in data and data.count(b"/Subtype /Image") == 4
    else:
        with Image.open(path) as image:
            assert image.size == canvas.size
            exact = np.array_equal(np.asarray(image.convert("RGB")), np.asarray(canvas.image()))
            assert exact or kind == "jpg"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_svg_keeps_words_as_words_and_pixels_as_pixels():
    images = noise(6, 8, 3)
    svg = sheet(images, 3, title=ODD, heads=["a < b", "", "c & d"]).svg()
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    texts = [node.text for node in root.iter(f"{space}text")]
    assert texts[:2] == ["a < b", "c & d"] and text.clean(ODD) in " ".join(texts)
    figures = list(root.iter(f"{space}image"))
    for node, pixels in zip(figures, to_bytes(images), strict=True):
        data = base64.b64decode(node.get("href").partition(",")[2])
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
        assert node.get("width") == str(8 * 160 // 8) and "pixelated" in node.get("style")


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.exe", ".png", "a.mp4"])
def test_an_unknown_image_format_is_refused_with_a_sentence(tmp_path, name):
    with pytest.raises(NotSupported, match=r"ending of an image format.* \.png, \.svg, \.pdf"):
        save(sheet(noise(1), 1), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_letters_that_the_face_lacks_are_no_error(tmp_path):
    figure = cloud(
        np.zeros((4, 2), np.float32), np.arange(4) % 2, ["漢字", "$x_1$"], title="あ $", axes=("Σ", "≈")
    )
    assert save(figure, tmp_path / "a.png").exists()


def points(n=60, kinds=3):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % kinds
    return (rng.normal(size=(n, 2)) + 4 * labels[:, None]).astype(np.float32), labels


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_plots_are_written_in_every_usual_format(tmp_path, kind):
    positions, labels = points()
    figure = cloud(positions, labels, ("a", "b", "c"), title="t", axes=("x", "y"))
    path = save(figure, tmp_path / f"cloud.{kind}")
    assert path.stat().st_size > 1000
    if kind == "svg":
        assert {node.text for node in ElementTree.parse(path).iter()} >= {"a", "b", "c", "t"}
    second = cloud(positions, labels, ("a", "b", "c"), title="t", axes=("x", "y"))
    assert save(second, tmp_path / f"again.{kind}").read_bytes() == path.read_bytes()


def test_classes_have_a_legend_box_and_names_in_the_plot_where_they_do_not_overlap():
    positions, labels = points(kinds=10, n=300)
    names = [f"class {i}" for i in range(10)]
    distance = cloud(positions, labels, names, title="", axes=("x", "y"), marks={"A": (0, 0)})
    assert {text.get_text() for text in distance.figure.axes[0].texts} == {*names[1:], "A"}
    legend = distance.figure.axes[0].get_legend()
    assert legend.get_frame_on() and [text.get_text() for text in legend.get_texts()] == names
    same = positions - 4 * labels[:, None].astype(np.float32)
    together = cloud(same, labels, names, title="", axes=("x", "y"), density=True, theme=DARK)
    assert len({text.get_text() for text in together.figure.axes[0].texts}) < 3
    assert [text.get_text() for text in together.figure.axes[0].get_legend().get_texts()] == names
    near = positions - 4 * labels[:, None].astype(np.float32) * (labels[:, None] < 2)  # 0 and 1 overlap
    some = cloud(near, labels, names, title="", axes=("x", "y"))
    assert {text.get_text() for text in some.figure.axes[0].texts} == set(names[2:])


@pytest.mark.parametrize("values", [None, np.linspace(0, 1, 300)])
def test_many_classes_and_quantities_get_a_color_bar(values):
    positions, labels = points(kinds=20, n=300)
    names = [f"class {i}" for i in range(20)]
    figure = cloud(positions, labels, names, title="", axes=("x", "y"), values=values)
    figure.figure.draw_without_rendering()
    plot, bar = figure.figure.axes
    assert plot.get_position().x1 < bar.get_position().x0
    if values is None:
        assert [text.get_text() for text in bar.get_yticklabels()] == names


def test_clouds_stand_side_by_side_with_a_line_of_numbers_under_each():
    positions, labels = points()
    figure = clouds(
        {"ae": (positions * 9, labels), "vae": (positions, labels)},
        ("a", "b", "c"),
        title="two",
        axes=("x", "y"),
        notes={"ae": "gaps 0.4", "vae": "gaps 0.1"},
        note="a line for all",
    )
    (legend,) = figure.figure.legends  # one for all plots
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]
    assert not any(plot.texts or plot.get_legend() for plot in figure.figure.axes)
    assert figure.figure.get_supxlabel() == "a line for all"
    assert [plot.get_title(loc="left") for plot in figure.figure.axes] == ["ae", "vae"]
    assert [plot.get_xlabel() for plot in figure.figure.axes] == ["x\ngaps 0.4", "x\ngaps 0.1"]


def test_curves_show_each_term_once_and_the_loss_only_where_it_is_not_the_elbo():
    rows = [
        {"epoch": n, "train/loss": -float(n), "train/elbo": float(n), "valid/elbo": 1.0, "train/rate": 2.0}
        for n in (1, 2, 3)
    ]
    figure = loss_curves(rows, title="run")
    titles = [plot.get_title(loc="left") for plot in figure.figure.axes if plot.get_visible()]
    assert titles == ["elbo", "rate"]
    for row in rows:
        row["train/loss"] = 7.0
    titles = [plot.get_title(loc="left") for plot in loss_curves(rows, title="run").figure.axes]
    assert titles[:3] == ["elbo", "loss", "rate"]


def boxes_of(figure):
    figure.figure.canvas.draw()
    texts = [t for plot in figure.figure.axes for t in plot.texts if not t.get_path_effects()]
    return [t.get_window_extent().extents for t in texts]


def test_lines_are_named_at_their_ends_or_at_their_peaks_and_no_names_collide():
    x = np.linspace(0, 12, 200)
    bells = {f"d = {m}": np.exp(-((x - m) ** 2)) for m in (2, 5, 8)}
    ends = {"lerp": x, "slerp": x + 0.3, "geodesic": -x}
    for series in (bells, ends):
        figure = lines(x, series, title="t", axes=("x", "y"), marks={"√25": 5.0})
        boxes = boxes_of(figure)
        assert len(boxes) == len(series) + 1
        assert not [pair for pair in combinations(boxes, 2) if collide(*pair)]


def test_forty_bars_are_as_readable_as_two():
    names = [f"Mouth_Slightly_Open_{i}" for i in range(40)]
    figure = bars(names, np.linspace(-1, 1, 40), spans=np.full(40, 0.1), title="t", axis="effect")
    figure.figure.canvas.draw()
    labels = figure.figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == names
    result = [label.get_window_extent().extents for label in labels]
    assert not [pair for pair in combinations(result, 2) if collide(*pair)]


def test_numbers_have_as_few_digits_as_distinguish_them():
    assert text.numbers([-2, -1, 0, 1]) == [MINUS + "2", MINUS + "1", "0", "1"]
    assert text.numbers([-1.64, -0.67, 0.67]) == [MINUS + "1.6", MINUS + "0.7", "0.7"]
    assert text.number(-0.001, 1) == "0.0"


def test_colours_of_classes_are_enough_and_stand_out_from_the_paper():
    def light(colour):
        parts = np.array(rgb(colour)) / 255
        linear = np.where(parts <= 0.04, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for theme in (LIGHT, DARK):
        assert len(set(theme.palette)) >= 10
        for colour, least in ((theme.ink, 12), (theme.pale, 5)):
            pair = sorted([light(colour), light(theme.paper)])
            assert (pair[1] + 0.05) / (pair[0] + 0.05) > least


@pytest.mark.slow
def test_drawing_in_several_threads_changes_no_global_state(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)

    def draw(number):
        figure = lines(np.arange(3.0), {"漢": np.arange(3.0)}, title="漢", axes=("x", "y"))
        return save(figure, tmp_path / f"{number}.svg").read_text()

    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(draw, range(12)))
    assert len(texts) == 1 and "<text" in texts.pop()
    assert dict(matplotlib.rcParams) == before
