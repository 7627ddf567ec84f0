"""Source D: latent variables in computer vision: AE, VAE and GAN of faces (D1-D5)."""

import numpy as np
from layouts import utkface

from common import arguments, print_paths, trained
from zatlas.figures import geometry, paths, sheets
from zatlas.figures.comparison import draw_comparison
from zatlas.locate import locate, locate_all
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet

# What the preset asks takes weeks on two cores; this takes minutes, and gives faces all the same.
SMALL = {"training.batch": 32, "training.rate": 4e-4, "training.average": 0.999}
PICKED = "1,2,3 - 4,5,6 + 7,8,9"


def main() -> None:
    asked = arguments(
        __doc__,
        "utkface, drawn",
        small={"action": "store_true", "help": "a small net and images of 32x32: minutes, not weeks"},
        picked={"default": PICKED, "help": "samples of d5-hundred.png: with - without + others"},
    )
    data, out = asked.data, asked.out
    if data == "utkface, drawn":
        data = f"utkface:root={utkface(out / 'drawn-utkface', asked.count)}"
    # A VAE of two axes soon gives up its axes, unless it is made to use them a little.
    words = {"ae": {}, "vae": {"model.free_bits": 0.5, "model.warmup": 3.0}}
    epochs = 15 if asked.small and asked.epochs is None else asked.epochs
    pair = [
        trained(
            out / "runs" / name,
            f"{data},count={min(asked.count, 4000)}",
            epochs,
            model=name,
            dim=2,
            settings=more,
        )
        for name, more in words.items()
    ]
    print_paths(*draw_comparison(pair, out / "d1-compare")[0])
    count = {"data.count": min(asked.count, 15000)}
    if asked.small:
        gan = trained(
            out / "gan-small",
            data,
            asked.epochs or 40,
            model="gan",
            dim=100,
            size=32,
            settings={**count, **SMALL, **asked.settings},
        )
    else:
        gan = trained(
            out / "gan-d2", data, asked.epochs, preset="gan-d2", settings={**count, **asked.settings}
        )
    print_paths(save(sheets.sample_sheet(gan, 9), out / "d3-samples.png"))
    move = paths.interpolation(gan, locate_all(gan, ["random", "random"]), method="lerp")
    print_paths(save(move.strip(6), out / "d4-interpolation.png"))
    hundred = gan.decode(np.concatenate([locate(gan, str(i)).point for i in range(100)]))
    numbered = sheet(
        hundred,
        10,
        title="A hundred samples, by number, to pick from",
        rows=[f"{ten}0 +" if ten else "0 +" for ten in range(10)],
        heads=[*"0123456789"],
    )
    print_paths(save(numbered, out / "d5-hundred.png"))
    picture, words = geometry.arithmetic(gan, asked.picked)
    print(words)
    print_paths(save(picture, out / "d5-arithmetic.png"))


if __name__ == "__main__":
    main()
