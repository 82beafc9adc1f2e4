"""What a model costs: bytes on disk, seconds of training, time of a prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm.bundle.manifest import LanguageModelEntry, Manifest
from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from suggest.decode import complete_word
from suggest.words import SPARE
from training.evaluation.keystrokes import LISTS

_WORDS = 200
_WARM_UP = 3


def ms_per_word(
    entry: LanguageModelEntry,
    folder: Path,
    sentences: Sequence[str],
    part: Part,
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Milliseconds that a part takes to predict the next word of running text, on average; 0 without text.

    Args:
        folder: of the language model, which is opened anew, so that no answer is known beforehand.
        clock: seconds; CPU time by default, so that other programs on the machine count less.
    """
    model = LanguageModel(entry, folder)
    elapsed_s, words = 0.0, -_WARM_UP
    for sentence in sentences:
        tokens = tuple(model.tokenizer.encode(sentence))
        starts = [place for place in range(len(tokens)) if _begins_word(model, tokens[place])]
        for place in starts:
            start_s = clock()
            complete_word(model, tokens[:place], "", min(LISTS) + SPARE, part)
            elapsed_s = elapsed_s + clock() - start_s if words >= 0 else 0.0
            words += 1
            if words == _WORDS:
                return 1000 * elapsed_s / words
    return 1000 * elapsed_s / words if words > 0 else 0.0


def _begins_word(model: LanguageModel, token: int) -> bool:
    low, high = model.word_starts
    return not model.joins or low <= token < high


def size_on_disk(manifest: Manifest, name: str, part: Part) -> int:
    """Bytes of a part's files, and of the vocabulary that every part needs."""
    total = 0
    for path, file in manifest.files.items():
        folder, _, rest = path.partition("/")
        neural, vocabulary = rest.startswith("neural/"), rest.startswith(("tokens.", "subwords."))
        wanted = part is Part.ENSEMBLE or vocabulary or neural == (part is Part.NEURAL)
        reranker = rest.startswith("reranker/")  # no part of the language model
        total += file.size if folder == name and wanted and not reranker else 0
    return total


def training_s(training: Mapping[str, Any], part: Part) -> float | None:
    """Seconds that training a part took; None where the bundle does not know."""
    ngram, neural = training.get("ngram_s"), training.get("neural", {}).get("seconds")
    if part is not Part.ENSEMBLE:
        return ngram if part is Part.NGRAM else neural
    known = [seconds for seconds in (ngram, neural) if seconds is not None]
    return sum(known) if ngram is not None and (neural is not None or "neural" not in training) else None
