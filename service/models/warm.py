"""Makes a process ready to answer, so that the first caller of a model waits no longer than others.

The first answers of a model cost more: the networks' memory is laid out, pages of the mapped files are read, and the
costs of an answer's parts are not known yet.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from pathlib import Path

from lm.bundle.verified import VerifiedBundles
from lm.errors import UnsupportedError
from service.ports import ServingModel

_QUERIES = 5
"""Popular queries to complete letter by letter, and popular words to continue from."""
_LETTERS = 4
_ALLOCATED = 20_000
"""Objects made, and not freed, before the garbage collector looks at young ones; 700 are made for one answer."""


def open_warm(path: Path, verified: VerifiedBundles | None = None) -> ServingModel:
    """Opens a bundle to answer from at once.

    Args:
        verified: bundles that need no second check.

    Raises:
        BundleError: it is missing, damaged or of another format version.
    """
    from suggest.model import open_model  # brings the networks' runtime

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


def settle_memory() -> None:
    """Takes all objects of now, such as open models, out of the garbage collector's rounds.

    A round over a model would stop all calls for a while. Objects are still freed with their last reference.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATED, 10, 10)
