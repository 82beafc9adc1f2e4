"""How probable a word must be to be shown as ghost text, learnt on held-out text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.bundle.bundle import Bundle
from training.evaluation.ghost_text import Ghosts, type_out
from training.progress import Reporter

_STEPS = 100
_FEW = 50
"""Ghosts that are too few to judge by."""
_UNKNOWN = 0.5
"""Where there is too little text to learn from."""


def fit_ghost_text(bundle: Bundle, validation: Sequence[str], precision: float, reporter: Reporter) -> float:
    """The probability from which on ghosts of the bundle's text model are shown; see `least_probability`."""
    ghosts = type_out(bundle.language_model("text"), bundle.never_generated, validation, reporter)
    return least_probability(ghosts, precision)


def least_probability(ghosts: Ghosts, precision: float) -> float:
    """The least probability, in hundredths, from which on this share of the ghosts is right by two standard errors.

    This must hold where no letter of the word is typed, which is hard, and where some are, each by itself: people see
    that grey words are wrong, and not that the rest of words makes up for it. 1 if it never holds.
    """
    if ghosts.shown(_UNKNOWN).sum() < _FEW:
        return _UNKNOWN
    least = _STEPS
    while least and _holds(ghosts, (least - 1) / _STEPS, precision):
        least -= 1
    return least / _STEPS


def _holds(ghosts: Ghosts, least: float, precision: float) -> bool:
    shown = ghosts.shown(least)
    for where in (ghosts.at_start, ~ghosts.at_start):
        inside = shown & where
        count = int(inside.sum())
        share = float(ghosts.right[inside].mean()) if count else 1.0
        if count >= _FEW and share - 2 * math.sqrt(share * (1 - share) / count) < precision:
            return False
    return True
