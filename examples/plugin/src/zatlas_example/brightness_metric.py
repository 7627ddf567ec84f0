"""A metric: the mean brightness of samples, compared with that of real images."""

from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.workspace import Workspace

SAMPLES = 256


def measure(workspace: Workspace, *, seed: int) -> list[Metric]:
    """Return a list of metrics; an empty one if they do not apply to this run."""
    if not workspace.source.decodes or workspace.generator.space.prior == "none":
        return []
    z = workspace.generator.space.sample(SAMPLES, seed=seed)
    value, error = mean_and_error(workspace.decode(z).mean(axis=(1, 2, 3)))
    real = None
    if workspace.has_dataset:
        rows = workspace.rows("test")[:SAMPLES]
        real = float(workspace.dataset.images(rows).mean())
    return [
        Metric(
            "brightness",
            "brightness",
            value,
            "mean of the pixels of samples of the prior, from 0 to 1",
            SAMPLES,
            error,
            baseline=real,
            baseline_name="test images",
        )
    ]
