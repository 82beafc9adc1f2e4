"""The parts of an ensemble."""

from __future__ import annotations

import enum


class Part(enum.Enum):
    """Which part of an ensemble answers."""

    ENSEMBLE = "ensemble"
    NGRAM = "ngram"
    NEURAL = "neural"
