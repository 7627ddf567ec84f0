"""Files of a run made again from its newest whole checkpoint, if a checkpoint holds what they need."""

from typing import Any, cast

from torch import Tensor

from zatlas.core.errors import ZatlasError
from zatlas.models.description import weights_bytes
from zatlas.models.trainable import Trainable
from zatlas.store.run import Run
from zatlas.training import checkpoint
from zatlas.training.checkpoint import cursor_from
from zatlas.training.learner import averaged_state
from zatlas.training.recipe import make_recipe, parse_recipe


def recipe_text(run: Run) -> bytes | None:
    """The recipe that a checkpoint was made by."""
    found = _newest(run)
    return None if found is None else found[1]["recipe"].encode()


def metrics_text(run: Run) -> bytes | None:
    """The rows of the metrics up to the newest checkpoint."""
    found = _newest(run)
    return None if found is None else cursor_from(found[1]["cursor"]).metrics.encode()


def best_weights(run: Run) -> bytes | None:
    """The weights of the best epoch, as the file that a finished training leaves."""
    found = _newest(run)
    if found is None:
        return None
    meta = found[1]
    try:
        best = cursor_from(meta["cursor"]).best_step
        tensors, _ = checkpoint.load_checkpoint(run.checkpoints, best)
        recipe = make_recipe(parse_recipe(meta["recipe"]))
        description = recipe.describe(tuple(meta["shape"]), tuple(meta["classes"]))
        model = cast(Trainable, description.build())
    except (ZatlasError, OSError, KeyError, TypeError):
        return None  # nothing whole to make it from
    return weights_bytes(description, averaged_state(tensors, model))


def _newest(run: Run) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    step, _ = checkpoint.latest(run.checkpoints)
    return None if step is None else checkpoint.load_checkpoint(run.checkpoints, step)
