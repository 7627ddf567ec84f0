"""Source A: exploring the latent space of a VAE of faces (A1-A6)."""

import numpy as np

from common import arguments, print_paths, trained
from layouts import celeba
from zatlas.figures import attribute_edits, file_name, maps, sheets
from zatlas.figures.catalogue import FACE_ATTRIBUTES
from zatlas.render.pixels import save

POSITIONS = np.float32([[-0.857, 0], [0, 0], [0.857, 0]])
LAYOUT = {"n_neighbors": 25, "min_dist": 0.1}


def main() -> None:
    options = arguments(__doc__, "celeba, drawn")
    data = options.data
    if data == "celeba, drawn":
        data = f"celeba:root={celeba(options.out / 'drawn-celeba', options.count)}"
    # A1; its curves and previews are in the run.
    workspace = trained(
        options.out / "faces-a1", data, options.epochs, preset="faces-a1", settings=options.settings
    )
    out = options.out
    print_paths(save(sheets.sample_sheet(workspace, 64), out / "a2-samples.png"))
    unsupervised = workspace.chart("grid_umap", settings=LAYOUT)
    supervised = workspace.chart("grid_umap", "Male", settings=LAYOUT)
    print_paths(
        save(maps.chart_scatter(workspace, unsupervised, color_by="Male"), out / "a3-chart.png"),
        save(maps.chart_scatter(workspace, supervised, color_by="Male"), out / "a3-chart-supervised.png"),
        save(sheets.chart_sheet(workspace, supervised, 15), out / "a4-chart-sheet.png"),
        save(sheets.chart_positions(workspace, supervised, POSITIONS), out / "a5-positions.png"),
    )
    for name in (*FACE_ATTRIBUTES, "Random"):
        move = attribute_edits.attribute(workspace, name, method="chart")
        print_paths(
            save(move.strip(10), out / f"a6-{file_name(name)}.png"),
            move.film(out / f"a6-{file_name(name)}.gif", 10, fps=5),
        )


if __name__ == "__main__":
    main()
