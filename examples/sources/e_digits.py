"""Source E: from auto-encoder to VAE, in 20 axes and in 2 (E1-E4)."""

from common import arguments, print_paths, trained
from zatlas.figures import maps, sheets
from zatlas.locate import locate_all
from zatlas.render.pixels import save


def main() -> None:
    asked = arguments(__doc__, "fashion-mini")
    out = asked.out
    many, two = (
        trained(
            out / f"vae-{dim}", asked.data, asked.epochs, preset="digits-e1", dim=dim, settings=asked.settings
        )
        for dim in (20, 2)
    )
    print_paths(
        save(sheets.reconstruction_sheet([many, two]), out / "e2-reconstructions.png"),
        save(maps.latent_scatter(two), out / "e3-points.png"),
        save(sheets.manifold(two, 20), out / "e3-manifold.png"),
        save(
            sheets.pair_rows(many, locate_all(many, [str(i) for i in range(0, 800, 100)])),
            out / "e4-pairs.png",
        ),
        save(sheets.four_corners(many, locate_all(many, ["0", "250", "500", "750"])), out / "e4-corners.png"),
    )


if __name__ == "__main__":
    main()
