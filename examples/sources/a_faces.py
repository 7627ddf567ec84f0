"""Source A: exploring the latent space of a VAE of faces (A1-A6)."""

import numpy as np

from common import arguments, print_paths, trained
from layouts import celeba
from zatlas.figures import file_name, maps, paths, sheets
from zatlas.gallery import FACE_ATTRIBUTES
from zatlas.render.pixels import save

PLACES = np.float32([[-0.857, 0], [0, 0], [0.857, 0]])


def main() -> None:
    asked = arguments(__doc__, "celeba, drawn")
    data = asked.data
    if data == "celeba, drawn":
        data = f"celeba:root={celeba(asked.out / 'drawn-celeba', asked.count)}"
    # A1; its curves and previews are in the run.
    workspace = trained(
        asked.out / "faces-a1", data, asked.epochs, preset="faces-a1", settings=asked.settings
    )
    out = asked.out
    print_paths(save(sheets.sample_sheet(workspace, 64), out / "a2-samples.png"))
    free = workspace.chart("grid_umap", settings={"n_neighbors": 25, "min_dist": 0.1})
    male = workspace.chart("grid_umap", "Male", settings={"n_neighbors": 25, "min_dist": 0.1})
    print_paths(
        save(maps.chart_scatter(workspace, free, color_by="Male"), out / "a3-chart.png"),
        save(maps.chart_scatter(workspace, male, color_by="Male"), out / "a3-chart-supervised.png"),
        save(sheets.chart_sheet(workspace, male, 15), out / "a4-chart-sheet.png"),
        save(sheets.chart_positions(workspace, male, PLACES), out / "a5-places.png"),
    )
    for name in (*FACE_ATTRIBUTES, "Random"):
        move = paths.attribute(workspace, name, method="chart")
        print_paths(
            save(move.strip(10), out / f"a6-{file_name(name)}.png"),
            move.film(out / f"a6-{file_name(name)}.gif", 10, fps=5),
        )


if __name__ == "__main__":
    main()
