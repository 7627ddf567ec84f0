"""Train the 784-512-16 VAE with zatlas; prints seconds, images a second and test -ELBO as JSON."""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from zatlas.core.runtime import use_large_pages
from zatlas.data import sources
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe

parser = argparse.ArgumentParser()
parser.add_argument("--root", default="")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch", type=int, default=0)
parser.add_argument("--rate", type=float, default=0)
parser.add_argument("--dim", type=int, default=16)
parser.add_argument("--widths", default="512")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--precision", default="auto")
parser.add_argument("--compile", default="off")
given = parser.parse_args()

use_large_pages()  # as the command line does
options = {"root": given.root} if given.root else {}
training = {"epochs": given.epochs, "preview": 0, "precision": given.precision, "compile": given.compile}
training |= {"batch": given.batch} if given.batch else {}
training |= {"rate": given.rate} if given.rate else {}
recipe = make_recipe(
    {
        "data": {"source": "mnist", **options},
        "model": {"dim": given.dim},
        "net": {
            "name": "mlp",
            "widths": [int(width) for width in given.widths.split(",")],
            "activation": "relu",
        },
        "training": training,
        "seed": given.seed,
    }
)
images = sources.load(recipe.source, **options)
with tempfile.TemporaryDirectory() as folder:
    begun = perf_counter()
    run = fit(recipe, images, Path(folder) / "run")
    seconds = perf_counter() - begun
    result = json.loads((run.folder / "result.json").read_text())
    rate = median(row["images_per_second"] for row in run.metrics())
    precision = run.provenance()["precision"]
    answer = {"precision": precision, "seconds": seconds, "rate": rate, "loss": result["test"]["loss"]}
print(json.dumps({**answer, "batch": recipe.training.batch}))
