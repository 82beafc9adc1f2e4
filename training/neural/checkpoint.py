"""What a training run keeps in its work folder: the checkpoint, from which it resumes, and a log for people."""

from __future__ import annotations

import csv
import io
import pickle
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lm.errors import InputError

CHECKPOINT_FILE, LOG_FILE = "checkpoint.pt", "log.csv"
_LOG_FIELDS = ("step", "elapsed_s", "learning_rate", "train_loss", "gradient_norm", "tokens_per_s", "validation_loss")
_DAMAGE = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One measurement on the validation text, after `step` optimiser steps. Losses are nats a token.

    `train_loss` is the mean over the steps since the measurement before. With sampled softmax it is that of the sample.
    """

    step: int
    elapsed_s: float
    train_loss: float
    validation_loss: float


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """Everything that training needs to go on as if it had not been interrupted.

    Random numbers are not in it: those of a step are drawn from the seed and the step's number.

    Attributes:
        settings: what the run was started with; a run with other settings is another run.
        step: optimiser steps done; this also says how far in the data the run is.
        token_count: targets trained on.
        loss_sum, loss_steps: of the steps since the last measurement.
        model, optimizer: state dictionaries; the optimizer's is empty once training has finished.
        state: of all streams after the last step, (S, B, D), if the model carries its state.
        average, averaged_steps: the mean of the weights and the number of steps in it, once averaging has begun.
        best_model: state dictionary with the lowest validation loss, `best_loss`.
    """

    settings: dict[str, Any]
    step: int = 0
    elapsed_s: float = 0.0
    token_count: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    curve: list[CurvePoint] = field(default_factory=list)
    best_loss: float = float("inf")
    finished: bool = False
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    state: Tensor | None = None
    average: dict[str, Tensor] = field(default_factory=dict)
    averaged_steps: int = 0
    best_model: dict[str, Tensor] = field(default_factory=dict)

    def save(self, work: Path) -> None:
        """Writes the checkpoint of a work folder: aside, then renamed, so that there is always a whole one."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        content["curve"] = [astuple(point) for point in self.curve]
        aside, buffer = work / (CHECKPOINT_FILE + ".part"), io.BytesIO()
        torch.save(content, buffer)  # not to the file: torch reports a full disk as a RuntimeError
        aside.write_bytes(buffer.getbuffer())
        aside.replace(work / CHECKPOINT_FILE)

    @property
    def tokens_per_s(self) -> float:
        """Targets trained on in a second, measurements included."""
        return self.token_count / max(self.elapsed_s, 1e-9)

    @classmethod
    def load_finished(cls, work: Path) -> Checkpoint:
        """Reads the checkpoint of a finished run.

        Raises:
            InputError: there is no finished run in the folder, or the checkpoint is damaged.
        """
        checkpoint = cls.load(work)
        if checkpoint is None or not checkpoint.finished:
            raise InputError(work, "holds no finished training.", remedy="Train first, then export.")
        return checkpoint

    @classmethod
    def load(cls, work: Path) -> Checkpoint | None:
        """Reads the checkpoint of a work folder; None if there is none yet.

        Raises:
            InputError: the checkpoint is damaged.
        """
        path = work / CHECKPOINT_FILE
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            names = [item.name for item in fields(CurvePoint)]
            curve = [CurvePoint(**dict(zip(names, point, strict=True))) for point in content.pop("curve")]
            return cls(**content, curve=curve)
        except FileNotFoundError:
            return None
        except (pickle.UnpicklingError, *_DAMAGE) as error:  # the former also if a file holds more than plain values
            reason = str(error).split("\n")[0]
            problem = f"is not a checkpoint ({reason})."
            raise InputError(path, problem, remedy="Delete it; training then starts afresh.") from None


class TrainingLog:
    """The log of a run: a CSV file that spreadsheets, pandas and TensorBoard's importers read."""

    def __init__(self, work: Path, step: int) -> None:
        """Goes on after a step: lines that an interrupted run wrote after its last checkpoint are removed."""
        self._path = work / LOG_FILE
        kept: list[list[str]] = []
        if self._path.is_file():
            with self._path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) <= step]
        with self._path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_LOG_FIELDS, *kept])

    def write(self, at: Checkpoint, **figures: float) -> None:
        """Appends a line. Losses are nats a token, and a column without a figure stays empty."""
        cells = {"step": str(at.step), "elapsed_s": f"{at.elapsed_s:.1f}"}
        cells |= {name: f"{value:.6g}" for name, value in figures.items()}
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, _LOG_FIELDS).writerow(cells)
