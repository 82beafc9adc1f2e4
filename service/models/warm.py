"""Opens a bundle and has it answer a little, so that its first caller waits no longer than the others.

The first answers of a model cost more: the networks' memory is laid out, pages of the mapped files are entered, and
what a part of an answer costs is not known yet.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from lm.bundle.verified import VerifiedBundles
from lm.errors import UnsupportedError
from service.ports import ServingModel
from suggest.model import open_model

_QUERIES = 5
"""Popular queries that are completed letter by letter, and words that are gone on from."""
_LETTERS = 4


def open_warm(path: Path, verified: VerifiedBundles | None = None) -> ServingModel:
    """Opens a bundle to answer from at once.

    Args:
        verified: what need not be checked again.

    Raises:
        BundleError: it is missing, damaged or of another format version.
    """
    model = open_model(path, verified=verified)
    warm(model)
    return model


def warm(model: ServingModel) -> None:
    """Asks for completions and next words of what the model itself suggests."""
    with suppress(UnsupportedError):  # it has no queries
        for popular in model.complete_query("").suggestions[:_QUERIES]:
            for length in range(1, min(_LETTERS, len(popular.text)) + 1):
                model.complete_query(popular.text[:length])
    with suppress(UnsupportedError):
        for word in model.predict_next_word("").suggestions[:_QUERIES]:
            model.predict_next_word(word.text + " ")
            model.predict_next_word(word.text[:1])
    with suppress(UnsupportedError):  # opens KenLM's file, which is then mapped even if the folder goes
        model.score_text("")
