"""Source D: latent variables in computer vision: AE, VAE and GAN of faces (D1-D5)."""

import numpy as np
from layouts import utkface

from common import arguments, told, trained
from zatlas.pictures import facts, moves, sheets
from zatlas.pictures.compare import draw_comparison
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet
from zatlas.start import train_alike


def main() -> None:
    asked = arguments(__doc__, "utkface, drawn")
    data, out = asked.data, asked.out
    if data == "utkface, drawn":
        data = f"utkface:root={utkface(asked.out / 'drawn-utkface', asked.count)}"
    pair = train_alike(
        f"{data},count={min(asked.count, 4000)}", ["ae", "vae"], dim=2,
        epochs=asked.epochs, seed=0, folder=out / "runs",
    )  # fmt: skip
    told(*draw_comparison(pair, out / "d1-compare")[0])
    gan = trained(
        out / "gan-d2", data, asked.epochs, preset="gan-d2",
        settings={"data.count": min(asked.count, 15000)},
    )  # fmt: skip
    told(save(sheets.samples(gan, 9), out / "d3-samples.png"))
    move = moves.interpolation(gan, gan.stops(["random", "random"]), way="lerp")
    told(save(move.strip(6), out / "d4-interpolation.png"))
    hundred = gan.decode(np.concatenate([gan.stop(str(i)).point for i in range(100)]))
    told(save(sheet(hundred, 10, title="A hundred samples, to pick from"), out / "d5-hundred.png"))
    # Numbers of samples, picked from that sheet by eye: with, without, and smiling.
    picture, words = facts.arithmetic(gan, "1,2,3 - 4,5,6 + 7,8,9")
    print(words)
    told(save(picture, out / "d5-arithmetic.png"))


if __name__ == "__main__":
    main()
