"""What a case needs: good runs to change, a victim's home folder, and a record of every file in it."""

import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.hostile.child import in_child

SECRET = "victim-secret-7f3a91c2"  # stands in every file of the victim
TOKEN = "hostile7"  # a tag or an attribute of this name in a page is markup that came through
RUNS = ("run", "marked", "gan", "imported", "exported")
LABELS = ("left", "right", "below")
MARKED = (f"<{TOKEN}>", f'"\'><{TOKEN} a="', f"</script><{TOKEN}>", f"' {TOKEN}='x")
DEADLINE = 3.0  # seconds for one call of a program; minutes for a person
PAGE = {
    "index.html": "<!doctype html><title>page</title><script type=module src=assets/app.js></script>",
    "single.html": "<!doctype html><body><!--zatlas:data--><script>page()</script>",
    "assets/app.js": "export {};",
    "figure.js": "define()",
    "runtime/run.wasm": "\0asm",
}


ENTRY_POINTS = functools.cache(importlib.metadata.entry_points)


@dataclass(frozen=True)
class Base:
    """Good runs, the cache that goes with them, and a small page, made once and only copied from."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def run(self, name: str) -> Path:
        """`run` (a VAE with all that a run can hold), `marked`, `gan` or `imported`."""
        return self.folder / "runs" / name


@dataclass(frozen=True)
class World:
    """The folders of one case. The reader works in `downloads`, where the hostile run lies."""

    folder: Path
    base: Base

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads"

    @property
    def run(self) -> Path:
        return self.downloads / "run"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def marker(self) -> Path:
        """Code of a stranger that is executed writes this file."""
        return self.folder / "executed"

    def payload(self) -> str:
        """Python that leaves the marker."""
        return f"open({str(self.marker)!r}, 'w').write('executed')\n"

    def record(self) -> dict[str, str]:
        """Every file and folder outside the run, the cache and the outputs: its kind, mode and bytes."""
        result = {}
        for path in walk(self.folder):
            name = path.relative_to(self.folder).as_posix()
            top = name.partition("/")[0]
            if top not in ("out", "cache", "tmp") and not f"{name}/".startswith("downloads/run/"):
                result[name] = described(path)
        return result


def walk(folder: Path) -> Iterator[Path]:
    """Everything below a folder; links are named and never followed."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))


def described(path: Path) -> str:
    """The kind, mode and content of a path."""
    state = path.lstat()
    kind = f"{stat.S_IFMT(state.st_mode):o} {stat.S_IMODE(state.st_mode):o}"
    if stat.S_ISLNK(state.st_mode):
        return f"{kind} {path.readlink()}"
    if stat.S_ISREG(state.st_mode):
        return f"{kind} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return kind


def make_world(base: Base, folder: Path, run: str = "run") -> World:
    """A fresh copy of a good run beside a victim's home folder."""
    world = World(folder, base)
    folder.mkdir(parents=True)
    world.downloads.mkdir()
    for name in ("out", "tmp"):
        (folder / name).mkdir()
    shutil.copytree(base.cache, folder / "cache", symlinks=True)
    shutil.copytree(base.run(run), world.run, symlinks=True)
    make_home(world.home)
    return world


def make_home(home: Path) -> None:
    """A home folder whose every file holds the secret; its private photos are white."""
    texts = {
        ".bashrc": f"export TOKEN={SECRET}\n",
        ".ssh/id": f"-----BEGIN KEY-----\n{SECRET}\n",
        "Documents/secret.txt": f"{SECRET}\n",
        "Documents/notes.json": json.dumps({"format": 1, "note": SECRET}),
        ".config/autostart/own.desktop": f"[Desktop Entry]\nName={SECRET}\n",
    }
    for name, text in texts.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / ".ssh").chmod(0o700)
    (home / ".ssh/id").chmod(0o600)
    for kind in (f"{SECRET}-beach", f"{SECRET}-family"):
        folder = home / "Documents" / "photos" / kind
        folder.mkdir(parents=True)
        for number in range(20):
            Image.new("L", (8, 8), 255 - number % 2).save(folder / f"{number}.png")
    rng = np.random.default_rng(0)
    white = np.full((60, 8, 8), 255, np.uint8) - rng.integers(0, 2, (60, 8, 8), np.uint8)
    labels = np.array([f"{SECRET}-{i % 2}" for i in range(60)])
    np.savez(home / "Documents" / "private.npz", images=white, labels=labels)


def make_base(folder: Path, runs: Sequence[str]) -> Base:
    """Train, import and draw good runs, in a child process, and load what it has loaded."""
    base = Base(folder)
    (folder / "tmp").mkdir(parents=True)
    for name, text in PAGE.items():
        path = folder / "page" / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    loaded = folder / "modules.json"
    report = in_child(lambda: _make_runs(base, runs, loaded), folder / "base.txt", seconds=300)
    assert report.ended == "0", f"{report.ended}: {(folder / 'base.txt').read_text()[-3000:]}"
    for name in json.loads(loaded.read_text()):
        _import(name)
    return base


def _import(name: str) -> None:
    try:
        __import__(name)
    except Exception:
        return  # what a library makes up while it runs


def _make_runs(base: Base, runs: Sequence[str], loaded: Path) -> None:
    """These good runs, with everything that they can hold."""
    import sys

    prepare(base, base.folder, base.folder / "cache")
    (base.folder / "runs").mkdir()
    data = save_data(base.folder / "spots.npz", LABELS, "Bright")
    _vae(base, "run", data)
    if "marked" in runs:
        _vae(base, "marked", save_data(base.folder / "marked.npz", MARKED, MARKED[1]))
    if "gan" in runs:
        _gan(base, save_photos(base.folder))
    for name in {"imported", "exported"} & set(runs):
        _imported(base, name)
    loaded.write_text(json.dumps(sorted(sys.modules)))


def prepare(base: Base, folder: Path, cache: Path) -> None:
    """Make this process a reader's: one thread, its own home and cache, and the small page."""
    from zatlas.core import deadline, registry
    from zatlas.site import static

    deadline.IMPORT_SECONDS = deadline.CALL_SECONDS = DEADLINE
    torch.set_num_threads(1)
    os.environ |= {
        "HOME": str(folder / "home"),
        "ZATLAS_CACHE": str(cache),
        "TMPDIR": str(folder / "tmp"),
        "ZATLAS_STATE": str(folder / "tmp" / "state"),  # the programs that this reader has imported
        "XDG_CACHE_HOME": str(cache),
        "HF_HUB_OFFLINE": "1",
    }
    os.environ.pop("DISPLAY", None)
    registry.entry_points = ENTRY_POINTS  # which reads every package's files, each time
    static.files = lambda package: base.folder / "page"


def save_data(path: Path, labels: tuple[str, ...], attribute: str) -> Path:
    """Dark images of 8x8 with a bright spot, as an npz with names for classes and an attribute."""
    rng = np.random.default_rng(0)
    kind = np.arange(96) % len(labels)
    y, x = np.mgrid[:8, :8]
    at = np.array([[2, 2], [6, 2], [4, 6], [6, 6]])[kind] + rng.normal(0, 0.5, (96, 2))
    far = (x - at[:, :1, None]) ** 2 + (y - at[:, 1:, None]) ** 2
    images = (200 * np.exp(-far / 3)).astype(np.uint8)
    names = np.array(labels)[kind]
    columns = {attribute: rng.random(96) > 0.5, "width": rng.random(96).astype(np.float32)}
    parts = {"x_train": images[:72], "y_train": names[:72], "x_test": images[72:], "y_test": names[72:]}
    np.savez(path, **parts, **columns)
    return path


SETTINGS = {"net.name": "mlp", "net.widths": [12], "training.batch": 32, "training.save_steps": 2}


def _vae(base: Base, name: str, data: Path) -> None:
    from zatlas.create import train
    from zatlas.directions.find import find_direction, store_of
    from zatlas.sample import fit_prior
    from zatlas.training.classifier_training import train_classifier
    from zatlas.workspace import Workspace

    run = base.run(name)
    settings = {**SETTINGS, "training.preview": 1}
    workspace = train(data, dim=2, epochs=2, settings=settings, out=run, verbose=False)
    first = MARKED[1] if name == "marked" else "Bright"
    classifier = train_classifier(workspace.dataset, [first], epochs=1, seed=0, show=False)
    workspace.annotate(classifier, save=True)
    workspace = Workspace.open(run)
    store_of(workspace).save(find_direction(workspace, "width" if name == "run" else MARKED[0]))
    fit_prior(workspace, "mixture", show=False)
    workspace.chart("pca")
    use(run, base.folder / "tmp")


def use(run: Path, out: Path) -> None:
    """Explore a run, export it twice and draw its gallery, so that all it can hold is there."""
    from zatlas.gallery import draw_gallery
    from zatlas.server.serve import serving
    from zatlas.site.export import export
    from zatlas.workspace import Workspace

    with serving([Workspace.open(run)]):
        pass
    export([Workspace.open(run)], out / f"{run.name}-site")
    export([Workspace.open(run)], out / f"{run.name}.html")
    draw_gallery(Workspace.open(run))


def save_photos(folder: Path) -> Path:
    """The same images as a folder of PNG files, which is what the data cache stores."""
    with np.load(folder / "spots.npz") as result:
        images, labels = result["x_train"], result["y_train"]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "photos" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder / "photos"


def _gan(base: Base, data: Path) -> None:
    from zatlas.create import train
    from zatlas.encoder import train_encoder

    settings = {**SETTINGS, "training.preview": 0}
    workspace = train(
        data, model="gan", dim=2, epochs=1, settings=settings, out=base.run("gan"), verbose=False
    )
    train_encoder(workspace, samples=64, epochs=1, show=False)


class Decoder(nn.Module):
    """A decoder made elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(2, 64)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.line(z).sigmoid().reshape(-1, 1, 8, 8)


def _imported(base: Base, name: str) -> None:
    from zatlas.create import import_model

    torch.manual_seed(0)
    source = base.folder / ("decoder.onnx" if name == "imported" else "decoder.pt2")
    decoder, z = Decoder().eval(), torch.zeros(2, 2)
    rows = ({0: torch.export.Dim("n")},)
    if name == "imported":
        torch.onnx.export(decoder, (z,), source, dynamic_shapes=rows, external_data=False, verbose=False)
    else:
        torch.export.save(torch.export.export(decoder, (z,), dynamic_shapes=rows), source)
    import_model(source, base.run(name))


Change = Callable[[World], None]
