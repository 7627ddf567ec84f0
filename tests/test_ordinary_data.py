"""Ordinary folders of images: few of them, classes without held-out images, and names of any kind."""

import csv
import html
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import small_run
from tests.serving import FILES, get
from zatlas.cli import main
from zatlas.core.errors import ZatlasError
from zatlas.directions.find import known_names
from zatlas.figures import attribute_edits, geometry
from zatlas.gallery import draw_gallery
from zatlas.latent.attributes import pretty
from zatlas.latent.names import ParsedName, text_of
from zatlas.locate import locate
from zatlas.metrics.evaluation import evaluate
from zatlas.server.serve import serving
from zatlas.site import static
from zatlas.workspace import Workspace

NAMES = json.loads((Path(__file__).parent / "names.json").read_text())
FOLDERS = [name for name in NAMES if "/" not in name]  # that can be names of folders
QUICK = {"training.batch": 16, "net.widths": [8]}


def write_images(folder, counts, *, size=8, seed=0):
    """A folder of classes, each with so many images: soft spots, whose place tells the class."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    for kind, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            across = size * (0.2 + 0.15 * (kind % 5)) + rng.normal(0, 0.5)
            up = size * (0.2 + 0.15 * (kind // 5)) + rng.normal(0, 0.5)
            grey = 255 * np.exp(-((x - across) ** 2 + (y - up) ** 2) / 6)
            Image.fromarray(grey.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def run_of(path, counts, *, test=None, name="run", **options) -> Workspace:
    """A run of such images, with a test part if there is one."""
    data = path / "data"
    write_images(data / "train" if test else data, counts)
    if test:
        write_images(data / "test", test, seed=1)
    return small_run(path / name, data, **{"dim": 2, "epochs": 1, **QUICK, **options})


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page small enough to see through, in place of the built one."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "figure.js").write_text("define()")
    (folder / "single.html").write_text("<!doctype html><body><!--zatlas:data-->")
    monkeypatch.setattr(static, "files", lambda package: tmp_path)


def explore_all(workspace, out):
    """Draw, measure, explore and export a run; each works, or refuses in a sentence."""
    done = {}

    def attempt(name, do):
        try:
            done[name] = do()
        except ZatlasError as error:
            done[name] = error

    attempt("gallery", lambda: draw_gallery(workspace))
    attempt("score", lambda: evaluate(workspace))
    for words in (["directions", "evaluate"], ["interpolate"], ["export"]):
        more = [str(out / "page.html")] if words == ["export"] else []
        done[words[0]] = main([*words, str(workspace.run.folder), *more])
    with serving([workspace], files=FILES) as server:
        done["explore"] = json.loads(get(server.url, "/data/manifest.json")[2])["runs"][0]
    return done


def works(done):
    """Whether every part of it was made."""
    return all(done[part] == 0 for part in ("directions", "interpolate", "export")) and not any(
        isinstance(one, ZatlasError) for one in done.values()
    )


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "each"), [(4, 3), (20, 10)])
def test_classes_without_held_out_images_stop_nothing(classes, each, tmp_path, page, capfd):
    workspace = run_of(tmp_path, {f"c{number:02d}": each for number in range(classes)})
    held_out = set(workspace.labels(workspace.rows("test")).tolist())
    assert len(held_out) < classes
    missing = next(number for number in range(classes) if number not in held_out)
    stop = locate(workspace, f"c{missing:02d}")
    assert stop.label == missing and stop.title == f"c{missing:02d} (training image)"
    assert locate(workspace, f"c{min(held_out):02d}").title == f"c{min(held_out):02d}"
    assert works(explore_all(workspace, tmp_path)), capfd.readouterr().err
    assert not re.search("Left out: .*image", (workspace.run.gallery / "index.html").read_text())


def test_a_class_with_one_image_is_left_out_of_the_directions_with_a_sentence(tmp_path, capfd):
    workspace = run_of(tmp_path, {"many": 20, "others": 20, "single": 1})
    assert main(["directions", "evaluate", str(workspace.run.folder)]) == 0
    output = capfd.readouterr()
    assert "omitted: 'single'. A direction takes 2 training images or more" in output.err
    assert {row["direction"] for row in json.loads(output.out)} == {"many", "others"}
    assert main(["directions", "evaluate", str(workspace.run.folder), "single"]) == 2
    assert "is true of 1" in capfd.readouterr().err


def test_a_class_without_any_image_is_refused_by_its_name(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.arange(40) % 2)
    workspace = small_run(tmp_path / "run", tmp_path / "set.npz", dim=2, epochs=1, **QUICK)
    with pytest.raises(ZatlasError, match="No class or attribute named '2x'"):
        locate(workspace, "2x")
    assert locate(workspace, "class:1").label == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "classes",
    [
        ["cat", "dog", "not sure", "a:1", "7", "random", 'say "hi", it\'s'],
        pytest.param(["class:1", "class:2", "1"], marks=pytest.mark.slow),
        pytest.param(["a - b", "a", "b", "not a", "x, y"], marks=pytest.mark.slow),
        pytest.param(["$a$ $\\frac$", "_hidden", "猫 😀", "e\u0301"], marks=pytest.mark.slow),
        pytest.param(["-x", "--help", "cat.png", "label", " "], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_classes_that_look_like_words_of_zatlas_work_everywhere(classes, tmp_path, page, capfd):
    workspace = run_of(tmp_path, dict.fromkeys(classes, 12))
    done = explore_all(workspace, tmp_path)
    assert works(done), capfd.readouterr().err
    entry, names = done["explore"], known_names(workspace)
    assert next(c for c in entry["columns"] if c["name"] == "label")["values"] == sorted(
        classes, key=lambda name: (not name.isdecimal(), name)
    )
    visible = {direction["name"]: direction["kind"] for direction in entry["directions"]["list"]}
    assert len(visible) == len(entry["directions"]["list"])
    run = str(workspace.run.folder)
    for number, name in enumerate(workspace.dataset.classes):
        text = text_of(ParsedName("class", name), names)
        assert locate(workspace, text).label == number
        assert locate(workspace, text_of(ParsedName("class", name, number=0), names)).label == number
        turned = workspace.flags(text_of(ParsedName("class", name, negated=True), names), workspace.rows())
        assert (turned == (workspace.labels(workspace.rows()) != number)).all()
        assert attribute_edits.attribute(
            workspace, text_of(ParsedName("class", name), names, anchor=False)
        ).curves
    texts = [text_of(ParsedName("class", name), names) for name in classes]
    _, words = geometry.arithmetic(workspace, " - ".join(texts))
    assert all(pretty(name) in words for name in classes)
    capfd.readouterr()
    for words in (
        ["interpolate", run, *texts, "--frames", "3"],
        ["edit", run, texts[-1], "--orthogonal-to", texts[0], "--anchor", texts[1], "--frames", "3"],
        ["chart", run, "--layout", "pca", "--color-by", texts[0]],
        ["scatter", run, "--color-by", texts[-1]],
        ["directions", "evaluate", run, *texts, "--orthogonal-to", texts[0], "--save"],
        [
            "directions",
            "find",
            run,
            "labels",
            texts[0],
            "--set",
            f"orthogonal_to={texts[0]},{texts[1]}",
            "--anchor",
            texts[1],
        ],
        ["directions", "find", run, "examples", "new", "--set", f"plus={','.join(texts)}"],
        ["directions", "list", run],
        ["compare", run, run],
    ):
        assert main([*words]) == 0, capfd.readouterr().err


def shown_commands(page_file):
    """Every command that a page shows."""
    text = page_file.read_text()
    return [html.unescape(result) for result in re.findall(r"<code>(.*?)</code>", text, re.DOTALL)]


HOSTILE = ["$(touch PWNED)", "`touch PWNED`", "a'; touch PWNED; '", 'say "hi" $HOME', "<b>&amp;", "not sure"]


@pytest.mark.slow
def test_commands_on_the_gallery_of_a_hostile_run_can_be_pasted_into_a_shell(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    name = "it's $(touch PWNED) my run"
    run_of(Path(), dict.fromkeys(HOSTILE, 8), name=name)
    workspace = Workspace.open(Path(name))
    assert main(["gallery", name, "--no-open"]) == 0
    page_file = Path(name) / "gallery" / "index.html"
    assert "<b>" not in page_file.read_text()
    result = shown_commands(page_file)
    assert len(result) > 8
    for command in result:
        assert subprocess.run(["bash", "-n", "-c", command]).returncode == 0, command
        pasted = 'zatlas() { printf "%s\\0" "$@"; }; ' + command
        words = subprocess.run(["bash", "-c", pasted], capture_output=True, check=True).stdout
        words = words.decode().split("\0")[:-1]
        assert words[1] == name, command
        if words[0] in ("interpolate", "arithmetic") and "--out" not in words:
            assert main(words) == 0, (words, capfd.readouterr().err)
    assert not list(tmp_path.rglob("PWNED"))
    named = {name for name in workspace.dataset.classes if any(name in html.unescape(c) for c in result)}
    assert len(named) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        '100% #1 ? it\'s a "run" 😀 $(touch PWNED)',
        pytest.param("-run", marks=pytest.mark.slow),
        pytest.param("a & b; touch PWNED", marks=pytest.mark.slow),
        pytest.param("猫 `touch PWNED`", marks=pytest.mark.slow),
    ],
)
def test_a_run_folder_of_any_name_is_drawn_explored_and_exported(name, tmp_path, monkeypatch, page, capfd):
    monkeypatch.chdir(tmp_path)
    run_of(Path(), {"left": 10, "right": 10}, name=name)
    typed = f"./{name}" if name.startswith("-") else name
    assert main(["gallery", typed, "--no-open"]) == 0
    assert main(["evaluate", typed, "--only", "space"]) == 0
    assert main(["export", typed, "page.html"]) == 0
    workspace = Workspace.open(Path(typed))
    with serving([workspace], files=FILES) as server:
        manifest = json.loads(get(server.url, "/data/manifest.json")[2])
    assert manifest["runs"][0]["name"] == name
    texts = [(Path(name) / file).read_text() for file in ("gallery/index.html", "report.html")]
    for command in shown_commands(Path(name) / "gallery/index.html"):
        pasted = 'zatlas() { printf "%s\\0" "$@"; }; ' + command
        words = subprocess.run(["bash", "-c", pasted], capture_output=True, check=True).stdout
        assert words.decode().split("\0")[1] == typed
    assert "touch" not in name or not list(tmp_path.rglob("PWNED"))
    assert all("<h1>" in text and "<b>" not in text for text in texts)
    capfd.readouterr()
    assert main(["train", "digits", "--out", typed]) == 2  # the hint can be pasted, too
    hint = capfd.readouterr().err.partition("zatlas train --resume ")[2]
    pasted = subprocess.run(["bash", "-c", f"printf '%s' {hint}"], capture_output=True, check=True)
    assert pasted.stdout.decode() == typed


shapes = st.dictionaries(
    st.sampled_from(FOLDERS)
    | st.text("ab1 :-+,'\"$é", min_size=1, max_size=6).filter(lambda name: name not in (".", "..")),
    st.integers(1, 40),
    min_size=1,
    max_size=8,
)


def check_shape(tmp_path_factory, monkeypatch, counts, test, dim):
    path = tmp_path_factory.mktemp("shape")
    (path / "static").mkdir()
    (path / "static" / "single.html").write_text("<body><!--zatlas:data-->")
    (path / "static" / "figure.js").write_text("define()")
    (path / "static" / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(static, "files", lambda package: path)
    held = {name: max(count // 4, 1) for name, count in counts.items()} if test else None
    try:
        workspace = run_of(path, counts, test=held, dim=dim)
    except ZatlasError as error:
        assert sum(counts.values()) < 8, error
        return
    done = explore_all(workspace, path)
    if sum(counts.values()) >= 8:
        assert works(done), done
    for one in done.values():
        assert not isinstance(one, ZatlasError) or str(one).endswith((".", "?", ")"))


SHAPE = {"test": st.booleans(), "dim": st.sampled_from([1, 2, 4])}
SHAPES = int(os.environ.get("ZATLAS_SHAPES", "12"))  # `just hostile` tries 60
LENIENT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.slow
@settings(max_examples=SHAPES, deadline=None, suppress_health_check=LENIENT)
@given(counts=shapes, **SHAPE)
@example(counts={"one": 1}, test=False, dim=2)
@example(counts={"one": 9, "single": 1}, test=False, dim=4)
@example(counts={",+": 9, "\"-'$": 9, "cat.png": 8}, test=True, dim=4)
@example(counts={'+ "a': 2, 'class:"1"': 9, "a:1": 8}, test=False, dim=2)
def test_folders_of_any_shape_are_trained_on_and_explored(tmp_path_factory, monkeypatch, counts, test, dim):
    check_shape(tmp_path_factory, monkeypatch, counts, test, dim)


def test_attributes_that_look_like_words_of_zatlas_are_drawn_and_moved(tmp_path, capfd):
    folder = write_images(tmp_path / "data", {"a": 30})
    names = ["not sure", "sure", "a:1", "$(touch PWNED)", "-x", "a - b"]
    rng = np.random.default_rng(0)
    with (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", *names, "hair"])
        for number in range(30):
            flags = [str(bool(flag)) for flag in rng.integers(0, 2, len(names))]
            table.writerow([f"a/{number}.png", *flags, ["grey", "a:3", "x, y"][number % 3]])
    workspace = small_run(tmp_path / "run", folder, dim=2, epochs=1, **QUICK)
    run, expected = str(workspace.run.folder), known_names(workspace)
    for name in names:
        text = text_of(ParsedName("attribute", name), expected, anchor=False)
        assert (
            workspace.flags(text, workspace.rows()) == workspace.dataset.attributes[name][workspace.rows()]
        ).all()
    sums = ["hair=a:3 - not attribute:sure + not sure", 'attribute:"a - b" + attribute:"hair"="x, y"']
    for words in (
        ["directions", "evaluate", run],
        ["interpolate", run, "hair=a:3", "not attribute:sure", "not sure", "--frames", "3"],
        *(["arithmetic", run, equation] for equation in sums),
        ["scatter", run, "--color-by", "hair"],
        ["chart", run, "--layout", "pca", "--supervise", "not sure", "--color-by", "attribute:-x"],
    ):
        assert main(words) == 0, capfd.readouterr().err
    output = {row["direction"] for row in json.loads(_last_json(capfd.readouterr().out))}
    assert set(names) <= output


def _last_json(text):
    """The list of rows among the lines that commands print."""
    return text[text.index("[\n") : text.index("\n]") + 2]
