"""Source D: latent variables in computer vision: AE, VAE and GAN of faces (D1-D5)."""

from typing import Any

from common import arguments, print_paths, trained
from layouts import utkface
from zatlas.figures import geometry, paths, sheets
from zatlas.figures.comparison import draw_comparison
from zatlas.locate import locate_all
from zatlas.render.pixels import save

PICKED = "1,2,3 - 4,5,6 + 7,8,9"


def main() -> None:
    options = arguments(
        __doc__,
        "utkface, drawn",
        small={"action": "store_true", "help": "train the default GAN on 32x32 images, in minutes"},
        picked={"default": PICKED, "help": "numbers of samples in d5-hundred.png: with - without + others"},
    )
    data, out = options.data, options.out
    if data == "utkface, drawn":
        data = f"utkface:root={utkface(out / 'drawn-utkface', options.count)}"
    # With two dimensions the posterior collapses easily; free bits and a warm-up prevent it.
    families = {"ae": {}, "vae": {"model.free_bits": 0.5, "model.warmup": 3.0}}
    epochs = 15 if options.small and options.epochs is None else options.epochs
    pair = [
        trained(
            out / "runs" / name,
            f"{data},count={min(options.count, 4000)}",
            epochs,
            model=name,
            dim=2,
            settings=settings,
        )
        for name, settings in families.items()
    ]
    print_paths(*draw_comparison(pair, out / "d1-compare")[0])
    # The preset takes weeks on two cores.
    small: dict[str, Any] = {"model": "gan", "dim": 100, "size": 32}
    name, network = ("gan-small", small) if options.small else ("gan-d2", {"preset": "gan-d2"})
    settings = {"data.count": min(options.count, 15000), **options.settings}
    gan = trained(out / name, data, options.epochs, settings=settings, **network)
    print_paths(save(sheets.sample_sheet(gan, 9), out / "d3-samples.png"))
    move = paths.interpolation(gan, locate_all(gan, ["random", "random"]), method="lerp")
    print_paths(save(move.strip(6), out / "d4-interpolation.png"))
    print_paths(save(sheets.sample_sheet(gan, 100), out / "d5-hundred.png"))
    figure, equation = geometry.arithmetic(gan, options.picked)
    print(equation)
    print_paths(save(figure, out / "d5-arithmetic.png"))


if __name__ == "__main__":
    main()
