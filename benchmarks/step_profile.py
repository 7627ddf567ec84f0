"""Where the time of a training step goes: the share of each torch operation, for one net and precision.

python benchmarks/step_profile.py [--net mlp] [--batch 256] [--precision auto] [--data fashion-mini]
"""

import argparse
import tempfile
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from common import machine_line
from zatlas.data import sources
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", default="mlp")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--data", default="fashion-mini")
    parser.add_argument("--size", type=int)
    given = parser.parse_args()
    training = {"epochs": 1, "batch": given.batch, "precision": given.precision, "preview": 0}
    source, options = sources.resolve(given.data)
    data = {"source": source, "size": given.size, **options}
    tables = {"data": data, "model": {"dim": 16}, "net": {"name": given.net}, "training": training}
    images = sources.load(source, size=given.size, **options)
    recipe = make_recipe(tables, images.shape, len(images.rows("train")))
    with tempfile.TemporaryDirectory() as folder:
        fit(recipe, images, Path(folder) / "first")  # preparations of torch
        with profile(activities=[ProfilerActivity.CPU]) as result:
            run = fit(recipe, images, Path(folder) / "profiled")
        print(f"{machine_line()}; {run.provenance()['precision']}")
    print(result.key_averages().table(sort_by="self_cpu_time_total", row_limit=15))


if __name__ == "__main__":
    main()
