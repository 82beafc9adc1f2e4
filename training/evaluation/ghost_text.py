"""Ghost text: the rest of the best word, in grey behind the cursor, at every keystroke of held-out text.

A keystroke is a place in a sentence: what stands before it is typed. The ghost there is right if the text goes on with
exactly it, case and all, and the word ends there. Every place counts, also before and in unknown words, numbers and
marks, and behind a finished word, where no ghost can be right. *Precision* is the share of ghosts shown that are right,
*coverage* the share of keystrokes with a ghost. Each sentence is typed by itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.index.never_generated import NeverGenerated
from lm.models.language_model import LanguageModel
from lm.text.normalize import is_unspaced
from suggest.types import WordOptions
from suggest.words import WordPredictor
from training.progress import Reporter

_KEYSTROKES, _SUBWORD_KEYSTROKES = 12_000, 2_000
_LONGEST = 1000
"""Code points of a sentence that are typed out: each costs time that grows with what stands before."""
_CURVE = 20
"""Points of the curve."""


@dataclass(frozen=True, slots=True)
class Ghosts:
    """The ghosts that a model has for keystrokes, were it never silent.

    Attributes:
        probabilities: float64 (N,); 0 where there is none.
        right: bool (N,).
        at_start: bool (N,), whether no letter of the word is typed.
    """

    probabilities: NDArray[np.float64]
    right: NDArray[np.bool_]
    at_start: NDArray[np.bool_]

    def shown(self, least: float) -> NDArray[np.bool_]:
        """Which are shown if they must be this probable, (N,)."""
        return (self.probabilities > 0) & (self.probabilities >= least)


def type_out(
    model: LanguageModel, never: NeverGenerated | None, sentences: Sequence[str], reporter: Reporter
) -> Ghosts:
    """Types sentences from all over a text, 12,000 keystrokes at most; of a subword model, which is slow, 2,000."""
    most = _SUBWORD_KEYSTROKES if model.joins else _KEYSTROKES
    chosen = sentences[:: max(1, math.ceil(sum(map(len, sentences)) / most))]
    predictor, options = WordPredictor(model, never), WordOptions(max_suggestions=1, min_ghost_probability=0.0)
    probabilities, right, at_start = list[float](), list[bool](), list[bool]()
    places = ((sentence, place) for sentence in chosen for place in range(min(len(sentence), _LONGEST)))
    with reporter.task(f"{model.entry.name}: ghost text", most) as task:
        for number, (sentence, place) in enumerate(itertools.islice(places, most)):
            answer = predictor.predict(sentence[:place], options, None)
            ghost = answer.ghost_text
            probabilities.append(math.exp(answer.suggestions[0].log_prob) if ghost else 0.0)
            right.append(_is_right(sentence[place : place + _LONGEST], ghost))
            at_start.append(answer.replace_start == place)
            task.update(number + 1)
    return Ghosts(np.array(probabilities), np.array(right, np.bool_), np.array(at_start, np.bool_))


def _is_right(text: str, ghost: str) -> bool:
    following = text[len(ghost) : len(ghost) + 1]
    return ghost != "" and text.startswith(ghost) and (not following.isalnum() or is_unspaced(ghost[-1]))


def ghost_text(
    model: LanguageModel, never: NeverGenerated | None, sentences: Sequence[str], reporter: Reporter
) -> dict[str, Any]:
    """Precision and coverage at the threshold of the model, everywhere and at word starts, and by threshold."""
    ghosts = type_out(model, never, sentences, reporter)
    if not len(ghosts.right):
        return {}
    least = model.entry.min_ghost_probability
    points = [_measured(ghosts, place / _CURVE) for place in range(_CURVE)]
    return {"keystrokes": len(ghosts.right), **_measured(ghosts, least), "curve": points}


def _measured(ghosts: Ghosts, least: float) -> dict[str, Any]:
    """A share of nothing is None."""
    shown, everywhere = ghosts.shown(least), np.ones(len(ghosts.right), np.bool_)
    found: dict[str, Any] = {"min_probability": least}
    for prefix, where in (("", everywhere), ("start_", ghosts.at_start)):
        inside = shown & where
        found[f"{prefix}precision"] = float(ghosts.right[inside].mean()) if inside.any() else None
        found[f"{prefix}coverage"] = float(shown[where].mean()) if where.any() else None
    return found
