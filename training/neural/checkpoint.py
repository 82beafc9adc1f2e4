"""Where training stands, on disk: written aside and renamed, so that there is always a whole one."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lm.errors import InputError

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One measurement on the validation text.

    Attributes:
        step: optimiser steps done.
        elapsed_s: seconds of training until then.
        train_loss: mean nats a token over the steps since the measurement before; of the sample, if sampled.
        validation_loss: nats a token.
    """

    step: int
    elapsed_s: float
    train_loss: float
    validation_loss: float


@dataclass(slots=True, kw_only=True)
class Standing:
    """Everything that training needs to go on exactly as if it had not been interrupted.

    Random numbers are not in it: those of a step are drawn from the seed and the step's number.

    Attributes:
        settings: what the run was started with; a run with others is another run.
        step: optimiser steps done; they also say how far in the data it is.
        elapsed_s: seconds of training.
        token_count: targets trained on.
        loss_sum, loss_steps: of the steps since the last measurement.
        model, optimizer: state dictionaries; the optimizer's is empty once training has finished.
        state: of all streams after the last step, (S, B, D), where it is carried on.
        average, averaged_steps: the mean of the weights, and how many steps are in it, where they are averaged.
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
        """Writes the checkpoint of a work folder."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        content["curve"] = [
            (point.step, point.elapsed_s, point.train_loss, point.validation_loss) for point in self.curve
        ]
        aside = work / (CHECKPOINT_FILE + ".part")
        buffer = io.BytesIO()  # torch reports a full disk as a RuntimeError, Python as what it is
        torch.save(content, buffer)
        aside.write_bytes(buffer.getbuffer())
        aside.replace(work / CHECKPOINT_FILE)

    @classmethod
    def load(cls, work: Path) -> Standing | None:
        """Reads the checkpoint of a work folder, None where there is none yet.

        Raises:
            InputError: it is damaged.
        """
        path = work / CHECKPOINT_FILE
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            points = content.pop("curve")
            curve = [
                CurvePoint(step=step, elapsed_s=elapsed_s, train_loss=train, validation_loss=validation)
                for step, elapsed_s, train, validation in points
            ]
            return cls(**content, curve=curve)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from None
        except pickle.UnpicklingError as error:  # also raised for contents that are not plain weights
            raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    reason = str(error).split("\n")[0]
    return InputError(path, f"is not a checkpoint ({reason}).", remedy="Delete it; training then starts afresh.")
