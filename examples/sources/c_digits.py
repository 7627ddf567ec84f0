"""Source C: visualising the VAE, and the conditional VAE (C1-C7)."""

from pathlib import Path

from common import arguments, print_paths, trained
from zatlas.core.errors import NotFound
from zatlas.data import sources
from zatlas.figures import maps, paths, sheets
from zatlas.figures.comparison import draw_comparison
from zatlas.locate import locate_all
from zatlas.render.pixels import save
from zatlas.workspace import Workspace


def main() -> None:
    asked = arguments(__doc__, "mnist-mini")
    out, data = asked.out, asked.data
    try:
        sources.load(data)
    except NotFound:
        data = "digits"
    how = {"epochs": asked.epochs, "settings": asked.settings}
    vae = trained(out / "manifold-c1", data, preset="manifold-c1", **how)
    print_paths(
        save(sheets.manifold(vae, 10), out / "c2-manifold.png"),
        save(maps.latent_scatter(vae, each=300, samples=True), out / "c3-points.png"),
    )
    for first in ("1", "6"):
        for last in "0123456789":
            print_paths(_film(vae, [first, last], 150, out / f"c4-{first}-to-{last}.gif"))
    print_paths(
        _film(vae, ["4", "9", "1"], 50, out / "c5-4-9-1.gif"),
        _film(vae, ["1", "0", "9"], 225, out / "c5-1-0-9-1.gif", closed=True),
    )
    conditional = trained(out / "conditional-c6", data, preset="conditional-c6", **how)
    print_paths(
        save(sheets.manifold(conditional, 10), out / "c6-manifolds.png"),
        save(sheets.sample_sheet(conditional, 64, label=7), out / "c6-sevens.png"),
        save(maps.latent_scatter(conditional, each=300, samples=True), out / "c7-points.png"),
    )
    print_paths(*draw_comparison([vae, conditional], out / "c7-compare")[0])


def _film(workspace: Workspace, digits: list[str], frames: int, path: Path, *, closed: bool = False) -> Path:
    # Two images of one digit, where it goes from a digit to itself.
    names = [f"class:{d}:{digits[:i].count(d)}" for i, d in enumerate(digits)]
    move = paths.interpolation(workspace, locate_all(workspace, names), closed=closed)
    return move.film(path, frames, fps=15)


if __name__ == "__main__":
    main()
