"""Words in any order as a source: queries in which all typed words stand, however they are written and wherever.

`nike run` finds `nike air zoom running shoes`, `usb c` finds `usb-c cable`, `koln` finds `köln hotel`. What begins as
it was typed, letter for letter, is the log's. How each of the others was found tells how likely it is to be meant: the
ranking has a weight for each of the features of a `Match`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lm.index.queries import QueryIndex, WordMatch
from lm.text.folding import near_words
from lm.text.hangul import typed_prefixes
from lm.text.normalize import is_unspaced
from suggest.sources.source import Match, Proposal, Reading, Request

FOUND = 32
"""The most popular queries that are looked at: many of them begin as it was typed."""
FEW = 4
"""Characters from which on what was typed says more than that many queries begin so."""


class WordsSource:
    """Proposes queries that hold what was typed otherwise, and notes how popular they are; threads may share it.

    To be asked after the log: what is no more popular than the last of its proposals could not be shown before them.
    One to three letters with which many queries begin are not looked for elsewhere.
    """

    def __init__(self, index: QueryIndex) -> None:
        self._index = index

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`."""
        typed, prefixes = reading.query, typed_prefixes(reading.query)
        if reading.least > 0 and len(typed) < FEW:
            return ()
        found = [
            match
            for match in self._index.word_matches(typed, FOUND, request.options.tags)
            if match.count > reading.least
            and not any(prefix.begins(match.text) for prefix in prefixes)
            and not self._is_typed(typed.rstrip(), match)
        ]
        submissions = math.log(reading.total + sum(match.count for match in found)) if found else 0.0
        proposals = []
        for each in found:
            match = how_found(typed, each)
            if match.explains:
                reading.matched += each.count
            proposals.append(Proposal(each.text, reading, (), 0.0, math.log(each.count) - submissions, match))
        return proposals

    def _is_typed(self, typed: str, match: WordMatch) -> bool:
        """Whether a query is the typed one, or a less popular form of it, and no entry of the catalogue."""
        if match.text == typed:
            return not self._index.is_entry(typed)
        whole = match.from_left and not match.left_over and not match.missing
        if not whole or match.count > self._index.count(typed) or self._index.is_entry(match.text):
            return False
        return _plain(match.text) == _plain(typed)


def _plain(text: str) -> str:
    return "".join(word.forms[0] for word in near_words(text))


def how_found(typed: str, match: WordMatch) -> Match:
    """How a query that does not begin as it was typed holds the typed words.

    If its first words are the typed ones, they stand there in another form, and what follows is not left over.
    """
    if match.from_left:
        return Match(True, False, False, 0, match.regrouped, match.missing)
    near = not _verbatim(typed, match.text)
    return Match(near, True, not match.in_order, match.left_over, match.regrouped, match.missing)


def _verbatim(typed: str, text: str) -> bool:
    """Whether each typed word is a word of the text, and the last one the beginning of one."""
    if _stand(typed, text, text.split(" ")):
        return True
    # most texts have no marks: then spaces alone part words
    return not text.replace(" ", "").isalnum() and _stand(
        typed, text, [text[word.start : word.end] for word in near_words(text)]
    )


def _stand(typed: str, text: str, words: Sequence[str]) -> bool:
    *finished, last = typed.split(" ")
    if last and not any(word.startswith(last) for word in words) and not (is_unspaced(last) and last in text):
        return False
    return all(word in words or (is_unspaced(word) and word in text) for word in finished)
