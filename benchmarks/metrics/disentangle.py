"""Check that disentanglement metrics rank the factors above a beta-VAE, and that above random latents.

python benchmarks/metrics/disentangle.py [--epochs 20] [--count 20000] [--betas 1 4 16]

Trains VAEs of drawn sprites that differ in beta only. Prints every metric of each, mean and standard error
over seeds, with two baselines: the factors themselves as latents, and the latents of the first run with
shuffled images.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from zatlas.create import train
from zatlas.metrics.factor_metrics import disentanglement_metrics, factor_scores, true_factors
from zatlas.metrics.metric import Metric
from zatlas.workspace import Workspace


def ideal(workspace: Workspace) -> dict[str, float]:
    """The metrics of the factors themselves, as latents of as many test images."""
    table = true_factors(workspace, workspace.table("test").rows)
    columns = [
        column if column.dtype.kind == "f" else np.unique(column, return_inverse=True)[1]
        for column in table.values()
    ]
    latents = np.stack(columns, axis=1).astype(np.float32)
    return {name: score.value for name, score in factor_scores(latents, table).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--betas", type=float, nargs="+", default=[1.0, 4.0, 16.0])
    given = parser.parse_args()
    result: dict[str, dict[str, Metric]] = {}
    best: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        for beta in given.betas:
            name = f"beta {beta:g}"
            workspace = train(
                f"sprites:count={given.count}",
                dim=10,
                epochs=given.epochs,
                settings={"model.beta": beta, "training.preview": 0, "net.name": "mlp"},
                out=Path(folder) / name.replace(" ", "-"),
                verbose=False,
            )
            best = best or ideal(workspace)
            begun = perf_counter()
            result[name] = {figure.name: figure for figure in disentanglement_metrics(workspace)}
            print(f"{name}: measured in {perf_counter() - begun:.1f} s")
    print("| score | the factors | " + " | ".join(result) + " | shuffled latents |")
    print("|---" * (len(result) + 3) + "|")
    first = next(iter(result.values()))
    for score in first:
        mine = [f"{run[score].value:.3f} ± {run[score].error:.3f}" for run in result.values()]
        print(f"| {score} | {best[score]:.3f} | {' | '.join(mine)} | {first[score].baseline:.3f} |")
    before = [name for name in first if best[name] < max(run[name].value for run in result.values())]
    after = [name for name in first if max(run[name].value for run in result.values()) < first[name].baseline]
    print(f"out of order: {', '.join(before + after) or 'none'}")


if __name__ == "__main__":
    main()
