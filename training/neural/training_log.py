"""The log of a training run: a CSV file that spreadsheets, pandas and TensorBoard's importers read."""

from __future__ import annotations

import csv
import math
from pathlib import Path

LOG_FILE = "log.csv"
LOG_EVERY_STEPS = 20
_FIELDS = ("step", "elapsed_s", "learning_rate", "train_loss", "gradient_norm", "tokens_per_s", "validation_loss")


class TrainingLog:
    """Appends to the log of a work folder; losses are nats a token."""

    def __init__(self, work: Path, step: int) -> None:
        """Goes on after a step: what an interrupted run wrote after its last checkpoint goes."""
        self._path = work / LOG_FILE
        kept: list[list[str]] = []
        if self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) <= step]
        with self._path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_FIELDS, *kept])

    def write(
        self,
        step: int,
        elapsed_s: float,
        *,
        learning_rate: float = math.nan,
        train_loss: float = math.nan,
        gradient_norm: float = math.nan,
        tokens_per_s: float = math.nan,
        validation_loss: float = math.nan,
    ) -> None:
        """Appends a line; what is not given stays empty."""
        values = (learning_rate, train_loss, gradient_norm, tokens_per_s, validation_loss)
        cells = ["" if math.isnan(value) else f"{value:.6g}" for value in values]
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow([step, f"{elapsed_s:.1f}", *cells])
