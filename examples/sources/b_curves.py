"""Source B: latent interpolation, auto-encoder against VAE, and high dimensions (B1-B4)."""

from common import arguments, print_paths
from zatlas.create import train_comparable
from zatlas.figures import geometry, paths, sheets
from zatlas.figures.comparison import draw_comparison
from zatlas.latent.curves import spiral
from zatlas.render.pixels import save


def main() -> None:
    options = arguments(__doc__, "fashion-mini")
    out = options.out
    ae, vae = train_comparable(
        options.data, ["ae", "vae"], dim=2, epochs=options.epochs, seed=0, folder=out / "runs"
    )
    print_paths(*draw_comparison([ae, vae], out / "b1-compare")[0])
    grid = sheets.manifold(vae, 20, by="std", extent=2)
    print_paths(save(grid, out / "b2-grid.png"))
    walk = paths.plane_walk(vae, spiral(turns=4, extent=2), "A spiral in the plane")
    print_paths(walk.film(out / "b3-spiral.mp4", 300, fps=30, panel="prior"))
    for name, figure in geometry.geometry(vae).items():
        print_paths(save(figure, out / f"b4-{name}.png"))


if __name__ == "__main__":
    main()
