"""Which languages a text is in, as far as training has to know."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

_MAX_CHUNKS = 25
_CHUNK = 1500
"""Code points that are judged at a time: single queries are too short to tell."""
_SURE = 0.9
_SHARE = 0.15


def languages(texts: Sequence[str]) -> list[str]:
    """Codes of ISO 639-1 of the languages that a good part of the texts is in, the most frequent first.

    Empty if nothing can be told, as of a few titles that are mostly names.
    """
    identifier = _identifier()
    found: Counter[str] = Counter()
    for chunk in _chunks(texts):
        language, probability = identifier.classify(chunk)
        if probability >= _SURE:
            found[language] += 1
    return [language for language, count in found.most_common() if count >= _SHARE * found.total()]


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _chunks(texts: Sequence[str]) -> Iterator[str]:
    """Parts of equal length from all over the texts."""
    chunks: list[str] = []
    lines: list[str] = []
    size = 0
    for text in texts:
        lines.append(text.lower())
        size += len(text)
        if size >= _CHUNK:
            chunks.append("\n".join(lines))
            lines, size = [], 0
    if not chunks:
        chunks = ["\n".join(lines)]
    yield from chunks[:: -(-len(chunks) // _MAX_CHUNKS)]
