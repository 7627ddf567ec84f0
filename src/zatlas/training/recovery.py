"""Recreate files of a run from its newest intact checkpoint. Each function returns None if it cannot."""

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
    """Return recipe.toml."""
    newest = _newest(run)
    return None if newest is None else newest[1]["recipe"].encode()


def metrics_text(run: Run) -> bytes | None:
    """Return metrics.jsonl up to the newest checkpoint."""
    newest = _newest(run)
    return None if newest is None else cursor_from(newest[1]["cursor"]).metrics.encode()


def best_weights(run: Run) -> bytes | None:
    """Return weights.safetensors of the best epoch."""
    newest = _newest(run)
    if newest is None:
        return None
    meta = newest[1]
    try:
        best = cursor_from(meta["cursor"]).best_step
        tensors, _ = checkpoint.load_checkpoint(run.checkpoints, best)
        recipe = make_recipe(parse_recipe(meta["recipe"]))
        description = recipe.describe(tuple(meta["shape"]), tuple(meta["classes"]))
        model = cast(Trainable, description.build())
    except (ZatlasError, OSError, KeyError, TypeError):
        return None  # the checkpoint of the best epoch is missing or damaged
    return weights_bytes(description, averaged_state(tensors, model))


def _newest(run: Run) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    step, _ = checkpoint.latest(run.checkpoints)
    return None if step is None else checkpoint.load_checkpoint(run.checkpoints, step)
