"""What a check gets, a `RunSummary`, and what it returns, a `Finding` with suggestions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.shell import shell_command
from zatlas.data.sources import value_of
from zatlas.metrics.metric import Metric
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.training.recipe import Recipe
from zatlas.workspace import Workspace


@dataclass(frozen=True)
class Suggestion:
    """Advice for a finding, and the command that follows it."""

    text: str
    command: str
    settings: tuple[str, ...] = ()  # recipe settings that the command changes


@dataclass(frozen=True)
class Finding:
    """A problem of a run: its name, an explanation, the metrics that show it, and suggestions."""

    name: str
    text: str
    evidence: tuple[str, ...]  # names of metrics
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True)
class RunSummary:
    """The facts about a run that checks use: metrics, recipe, and training history."""

    folder: Path
    family: str
    dim: int
    prior: str  # of the latent space; "none" for an auto-encoder
    metrics: Mapping[str, Metric]
    recipe: Recipe | None  # None for an imported model
    history: Sequence[Mapping[str, Any]] = ()
    command: Callable[..., str] = shell_command  # adds the latent space of the run

    @classmethod
    def of(cls, workspace: Workspace, metrics: Mapping[str, Metric]) -> "RunSummary":
        """Summarize the run of a workspace."""
        trained = imported_model_of(workspace.run) is None
        return cls(
            workspace.run.folder,
            workspace.description.family,
            workspace.dim,
            workspace.generator.space.prior,
            metrics,
            workspace.recipe if trained else None,
            workspace.run.metrics(),
            workspace.command,
        )

    def value(self, name: str) -> float:
        """The metric's value; NaN if it was not measured, so that comparisons with it are false."""
        return self.metrics[name].value if name in self.metrics else math.nan

    def baseline(self, name: str) -> float:
        """The metric's baseline; NaN if there is none."""
        metric = self.metrics.get(name)
        return math.nan if metric is None or metric.baseline is None else metric.baseline

    def setting(self, name: str) -> Any:
        """A model setting of the recipe; None for an imported model."""
        return None if self.recipe is None else self.recipe.model.get(name)

    def retrain(self, text: str, *settings: str) -> Suggestion:
        """Suggest training the same recipe with changed settings."""
        changed = [word for setting in settings for word in ("--set", setting)]
        change = "-" + settings[0].partition(".")[2].replace("=", "-")
        recipe, out = self.folder / "recipe.toml", Path(f"{self.folder}{change}")
        command = shell_command("train", "--recipe", recipe, *changed, "--out", out)
        return Suggestion(text, command, settings)

    def train_longer(self, text: str) -> Suggestion:
        """Suggest twice as many epochs: resume, or retrain where the schedule depends on the length."""
        training = None if self.recipe is None else self.recipe.training
        epochs = 60 if training is None else 2 * training.epochs
        if training is not None and training.schedule == "onecycle":
            return self.retrain(text, f"training.epochs={epochs}")
        return Suggestion(text, shell_command("train", "--resume", self.folder, "--epochs", epochs))

    def sample_fitted(self, text: str, kind: str) -> Suggestion:
        """Suggest sampling from a prior that is fitted to the latents."""
        return Suggestion(text, self.command("sample", self.folder, "--prior", kind))

    def applies(self, suggestion: Suggestion) -> bool:
        """Whether the suggestion is possible (imported models cannot be retrained) and changes a setting."""
        if not suggestion.command.startswith("zatlas train"):
            return True
        if self.recipe is None:
            return False
        tables = {
            "model": {"family": self.recipe.family, **self.recipe.model},
            "training": vars(self.recipe.training),
        }
        pairs = (setting.partition("=") for setting in suggestion.settings)
        changes = [(*name.partition(".")[::2], value_of(value)) for name, _, value in pairs]
        same = [tables[table].get(key) == value for table, key, value in changes]
        return not same or not all(same)
