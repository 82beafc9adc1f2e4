"""Which stretches of a suggestion the user has typed: half-open ranges of code points of the text that is shown.

All of them begin and end at borders of grapheme clusters. A word that was found in another form is typed as a whole, or
as far as its form was typed. What stands between two words that are both typed, a space or a mark, counts as typed too.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lm.kernels.word_search import MOST_PLACES
from lm.text.folding import NearWord, near_end, near_words, typed_end
from lm.text.hangul import TypedPrefix

Spans = tuple[tuple[int, int], ...]
_MOST_JOINED = 4
"""Words of a text that may have been typed as one, or the other way round."""


def prefix_span(display: str, text: str, query: str, typed: Sequence[TypedPrefix]) -> Spans:
    """What is typed of a text that begins as typed; a syllable of Hangul in the making is not until it is as shown.

    Args:
        display: the text as it is shown.
        text, query: normalised.
        typed: the beginnings that `query` stands for; it may be empty for the query itself.
    """
    length = min(len(query), len(text))
    if typed and typed[0].low:
        literal = next((len(prefix.literal) for prefix in typed if prefix.begins(text)), 0)
        length = literal + text.startswith(query[-1], literal)
    end = typed_end(display, length)
    return ((0, end),) if end else ()


def word_spans(display: str, query: str) -> Spans:
    """What is typed of a text in which the typed words stand in any order and form, see `QueryIndex.word_matches`."""
    words, typed = near_words(display)[:MOST_PLACES], near_words(query)
    free, after, place, found = set(range(len(words))), 0, 0, list[tuple[int, int, int]]()
    while place < len(typed):
        number, low, high, end = _place(display, words, typed[place:], free, after, query.endswith(" "))
        free.difference_update(range(low, high))
        if high > low and end > words[low].start:
            found.append((low, high, end))
            after = high
        place += number
    spans = list[tuple[int, int]]()
    beside = -1
    for low, high, end in sorted(found):
        span = (words[low].start, end)
        if spans and (low == beside or span[0] <= spans[-1][1]):  # several words may be one cluster
            start, before = spans.pop()
            span = (start, max(before, end))
        spans.append(span)
        beside = high if end == words[high - 1].end else -1
    return tuple(spans)


def _place(
    display: str, words: Sequence[NearWord], typed: Sequence[NearWord], free: set[int], after: int, finished: bool
) -> tuple[int, int, int, int]:
    """Where the first typed words stand: how many they are, the range of words, and the end of what is typed of them.

    They stand next to each other in the text, as one word in it, or the first of them as several. The range is empty
    where the first one stands nowhere.
    """
    places = sorted(free, key=lambda low: (low < after, low))
    sizes = [(1, size) for size in range(1, _MOST_JOINED + 1)] + [(size, 1) for size in range(2, _MOST_JOINED + 1)]
    for number, size in sizes:
        if number > len(typed):
            break
        forms, unfinished = _forms(typed[:number]), number == len(typed) and not finished
        for low in places:
            high = low + size
            if free.issuperset(range(low, high)):
                left = _left_of_last(words[low:high], forms, unfinished)
                if left is not None:
                    return number, low, high, near_end(display, words[high - 1], left)
    return 1, 0, 0, 0


def _left_of_last(words: Sequence[NearWord], forms: Sequence[str], unfinished: bool) -> str | None:
    """The typed form without what stands for all but the last of the words; None if it does not stand for them."""
    for before, last in itertools.product(_forms(words[:-1]) if words[1:] else ("",), words[-1].forms):
        for form in forms:
            if form == before + last or (unfinished and len(before) < len(form) and (before + last).startswith(form)):
                return form[len(before) :]
    return None


def _forms(words: Sequence[NearWord]) -> tuple[str, ...]:
    most = max(len(word.forms) for word in words)
    return tuple("".join(word.forms[min(place, len(word.forms) - 1)] for word in words) for place in range(most))
