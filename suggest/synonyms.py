"""Synonyms: what was typed with the operator's other words in place of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_VARIANTS = 4
"""Look-ups that synonyms cost at most."""
MOST_WORDS = 5
"""Words of a phrase."""


class Synonyms:
    """The synonyms of one model; immutable.

    Args:
        replacements: of each phrase, normalised, in one order on every replica.
    """

    def __init__(self, replacements: Mapping[str, Sequence[str]]) -> None:
        self._replacements = replacements
        self._most_words = max((phrase.count(" ") + 1 for phrase in replacements), default=0)

    def variants(self, query: str) -> list[str]:
        """What was typed, normalised, with one phrase replaced in each; the longest phrases first.

        A phrase is replaced where all of its words are typed, the last one up to the cursor or to a space.
        """
        words, space = query.rstrip(" ").split(" "), " " if query.endswith(" ") else ""
        found = list[str]()
        for size in range(min(self._most_words, len(words)), 0, -1):
            for low in range(len(words) - size + 1):
                for other in self._replacements.get(" ".join(words[low : low + size]), ()):
                    found.append(" ".join([*words[:low], other, *words[low + size :]]) + space)
                    if len(found) == MOST_VARIANTS:
                        return found
        return found
