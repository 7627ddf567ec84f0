"""A callback: the metrics of each epoch as a table, metrics.csv in the run."""

import csv
from typing import Any

import zatlas


class CSV(zatlas.Callback):
    """Follow a training with `--callback csv`."""

    def on_train_start(self, run: Any, recipe: Any, images: Any, learner: Any) -> None:
        """Remember the run."""
        self.file = run.path("metrics.csv")

    def on_epoch_end(self, row: dict[str, Any]) -> None:
        """Append the row of an epoch; the first one with the names of the columns."""
        new = not self.file.exists()
        with self.file.open("a", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, row)
            if new:
                table.writeheader()
            table.writerow(row)
