"""Source E: from auto-encoder to VAE, in 20 and in 2 dimensions (E1-E4)."""

from common import arguments, print_paths, trained
from zatlas.figures import anchor_sheets, maps, sheets
from zatlas.locate import locate_all
from zatlas.render.pixels import save


def main() -> None:
    options = arguments(__doc__, "fashion-mini")
    out = options.out
    keywords = {"preset": "digits-e1", "settings": options.settings}
    large, small = (
        trained(out / f"vae-{dim}", options.data, options.epochs, dim=dim, **keywords) for dim in (20, 2)
    )
    corners = locate_all(large, ["0", "250", "500", "750"])
    print_paths(
        save(sheets.reconstruction_sheet([large, small]), out / "e2-reconstructions.png"),
        save(maps.latent_scatter(small), out / "e3-scatter.png"),
        save(sheets.manifold(small, 20), out / "e3-manifold.png"),
        save(
            anchor_sheets.pair_rows(large, locate_all(large, [str(i) for i in range(0, 800, 100)])),
            out / "e4-pairs.png",
        ),
        save(anchor_sheets.four_corners(large, corners), out / "e4-corners.png"),
    )


if __name__ == "__main__":
    main()
