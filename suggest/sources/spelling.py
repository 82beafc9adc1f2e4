"""Typing errors as a source: what else the user may have meant to type so far.

A noisy channel (Kernighan, Church and Gale, 1990; for completions Duan and Hsu, 2011): of the readings of what was
typed, as it stands and with up to two errors corrected, each has the posterior probability

    P(reading | typed) ~ P(reading) * P(typed | reading)

`P(reading)` is the n-gram model's, of a query that begins so; `P(typed | reading)` that of the errors
(`lm.text.typing_errors`), 1 for what stands there. Words that are about as probable as usual in their place are not
looked up at all, so ordinary prefixes cost next to nothing.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lm.index.lexicon import MAX_WORD_LENGTH, Lexicon, Lexicons
from lm.models.language_model import LanguageModel
from lm.models.vocabulary import SPACE, UNKNOWN
from lm.text.hangul import TypedPrefix
from lm.text.typing_errors import MAX_EDITS
from suggest.sources.source import Proposal, Reading, Request, Source, read_typed

ENOUGH = 3.0
"""Submissions of queries that begin as typed, or such queries in the log, from which on it is taken as it stands.

Both, for aged submissions and a catalogue's weights may be far below 1."""
SHORTEST = 4
"""Characters from which on what was typed may hold an error: nearly all that is shorter begins many queries."""
SURPRISE = 6.0
"""Nats: a word whose surprise in its place is at most this and the log of one more than its count in the log is taken
as it stands: that many others might be meant, and none is likelier by so much."""
KEPT = 3
"""Corrections that are completed."""
_LEAST_SHARE = math.log(0.03)
_LEAST_TYPED = -30.0
"""Stands for the share of what was typed where no model gives it any probability."""
_PER_WORD = 5
_SUSPECTS = 8
"""Words that are looked up: the last ones, if more are a surprise. At most two errors are corrected."""
_SCORED = 8
"""Corrections that the n-gram model is asked of."""
_LONG = 6
"""Characters from which on a word may hold two errors."""
_SEARCH_LOSS = 6.0, 8.5
"""Nats that a correction of a known, an unknown word may be less probable where neighbours are not looked at."""
_WHOLE = 0.2
"""A correction is suggested itself if its last word makes up this share of all words that begin so."""
_UNKNOWN_COUNT = 0.1
_MOVED_LETTER = 6.0
"""Cost in nats of a letter in another place of its word."""
_LONG_WORD = 5
_USUAL_COST = 6.0
_ONE_TOO_MANY = 8.0
_FAR_MORE = math.log(6.0)
"""A word of so many characters is taken for misspelt if one that is so many times as popular is so near: by a letter
left out or in another place, or with a letter too many inside a long word."""
_BEAM_WIDTH = 8


@dataclass(frozen=True, slots=True)
class _Change:
    """Words [start, end) of the typed ones as `text`; `gain` in nats as if words were independent, errors counted."""

    start: int
    end: int
    text: str
    gain: float
    cost: float
    edits: int


class SpellingSource:
    """Proposes what completes the typed text with its errors corrected; threads may share it.

    Args:
        sources: asked for queries that complete a correction.
    """

    def __init__(self, model: LanguageModel, lexicon: Lexicon, sources: Sequence[Source]) -> None:
        self._model = model
        self._own_lexicon = lexicon
        self._lexicon: Lexicon | Lexicons = lexicon
        self._sources = sources
        # In a log of few words no word is as improbable as that: half of what a word that stands there once has.
        self._surprise = min(SURPRISE, math.log(max(lexicon.total, 1.0)) / 2)

    def knowing(self, more: Sequence[Lexicon]) -> SpellingSource:
        """It with the words of further lexicons."""
        other = copy.copy(self)
        other._lexicon = Lexicons([self._own_lexicon, *more])
        return other

    @property
    def searches(self) -> int:
        """Searches of the lexicon by this thread so far."""
        return self._lexicon.searches

    def propose(self, request: Request, reading: Reading) -> Sequence[Proposal]:
        """See `Source.propose`; each proposal belongs to a reading of its own, the most probable first."""
        readings = self.corrections(reading, self.suspects(reading))
        return [
            proposal for other in readings for source in self._sources for proposal in source.propose(request, other)
        ]

    def suspects(self, reading: Reading) -> tuple[int, ...]:
        """Places of the words that may be misspelt; none where the prefix is popular or no word is a surprise.

        Args:
            reading: as it stands, after its candidates were described.
        """
        query = reading.query
        if max(reading.total + reading.matched, reading.logged) >= ENOUGH or len(query) < SHORTEST:
            return ()
        words = query.split(" ")
        surprises = self._surprises(reading.context) + ([-reading.typed_log_prob] if words[-1] else [])
        if len(surprises) != len(words) - (not words[-1]):  # words of which the model makes several, such as `wi-fi`
            known = [self._count(word, place == len(words) - 1) > 0 for place, word in enumerate(words)]
            surprises = [0.0 if there else math.inf for there in known]
        suspects = [
            place
            for place, (word, surprise) in enumerate(zip(words, surprises, strict=False))
            if 0 < len(word) <= MAX_WORD_LENGTH
            and surprise > self._surprise + math.log1p(self._count(word, place == len(words) - 1))
            and not any(map(str.isdigit, word))
        ]
        return tuple(suspects[-_SUSPECTS:])

    def corrections(self, reading: Reading, suspects: Sequence[int]) -> list[Reading]:
        """The corrections that are worth a look, the most probable first; notes what tells them from the reading."""
        query = reading.query
        words = query.split(" ")
        changes = [change for place in suspects for change in self._changes(words, place)]
        tried = dict[str, tuple[_Change, ...]]()
        for chosen in _combined(changes)[:_SCORED]:
            text = _apply(words, chosen)
            if text != query and (text not in tried or _cost(chosen) < _cost(tried[text])):
                tried[text] = chosen
        if not tried:
            return []
        typed = -sum(self._surprises(reading.context)) + reading.typed_log_prob
        scores = [typed, *(self._log_prob(text) - _cost(chosen) for text, chosen in tried.items())]
        if max(scores) == -math.inf or any(map(self._is_unknown, tried)) or any(map(self._is_new, tried)):
            scores = [self._by_words(query), *(self._by_words(text) - _cost(chosen) for text, chosen in tried.items())]
        log_shares = (np.array(scores) - np.logaddexp.reduce(scores)).tolist()
        places = [place for place, word in enumerate(words) if word]
        unknown = {place for place in places if not self._count(words[place], place == len(words) - 1)}
        misspelt = {change.start for change in changes if _is_usual(words, change)}
        readings = list[Reading]()
        for text, log_share in zip([query, *tried], log_shares, strict=True):
            chosen = tried.get(text, ())
            if chosen and log_share <= _LEAST_SHARE:
                continue
            other = read_typed(self._model, text, whole=self._may_be_whole(text)) if chosen else reading
            mended = {place for change in chosen for place in range(change.start, change.end)}
            other.log_share, other.edits = max(log_share, _LEAST_TYPED), sum(change.edits for change in chosen)
            other.misspelt_words, other.unknown_words = len(misspelt - mended), len((misspelt | unknown) - mended)
            readings.append(other)
        return sorted(readings[1:], key=lambda other: -other.log_share)[:KEPT]

    def _surprises(self, tokens: Sequence[int]) -> list[float]:
        """Nats by which each finished word surprises the n-gram model."""
        if not tokens:
            return []
        steps, _ = self._model.ngram.table.score_all(self._model.ngram.begin, np.array(tokens, np.int32))
        low, high = self._model.word_starts
        surprises: list[float] = []
        for token, step in zip(tokens, steps.tolist(), strict=True):
            if low <= token < high or not surprises or (token == UNKNOWN and not self._model.joins):
                surprises.append(0.0)
            surprises[-1] -= step
        return surprises

    def _log_prob(self, text: str) -> float:
        """Natural-log probability that a query begins so."""
        head, _, typed = text.rpartition(" ")
        ngram, context = self._model.ngram, self._model.tokenizer.encode(head) if head else []
        steps, following = ngram.table.score_all(ngram.begin, np.array(context, np.int32))
        constraint = self._model.vocabulary.constraint(TypedPrefix(SPACE + typed))
        typed_log_prob: float = ngram.table.typed_log_prob(following, constraint.arrays, _BEAM_WIDTH)
        return typed_log_prob + float(steps.sum(dtype=np.float64))

    def _may_be_whole(self, text: str) -> bool:
        last = text.rstrip().rpartition(" ")[2]
        return text.endswith(" ") or self._lexicon.count(last) > _WHOLE * self._lexicon.mass(last)

    def _count(self, word: str, unfinished: bool) -> float:
        return self._lexicon.mass(word) if unfinished else self._lexicon.count(word)

    def _unigram(self, word: str, unfinished: bool) -> float:
        return math.log(max(self._count(word, unfinished), _UNKNOWN_COUNT))

    def _is_unknown(self, text: str) -> bool:
        """Whether the model takes a finished word for an unknown one: small models of words lack most of the log's."""
        return not self._model.joins and UNKNOWN in self._model.tokenizer.encode(text.rpartition(" ")[0])

    def _is_new(self, text: str) -> bool:
        """Whether the bundle lacks one of its words, and so the model has no fair opinion of it."""
        own = self._own_lexicon
        if self._lexicon is own:
            return False
        *finished, last = text.split(" ")
        return any(not own.count(word) for word in finished) or bool(last and not own.mass(last))

    def _by_words(self, text: str) -> float:
        """As `_log_prob`, as if words were independent: by their counts in the log."""
        *finished, last = text.split(" ")
        scores = [self._unigram(word, False) for word in finished]
        scores += [self._unigram(last, True)] if last else []
        return sum(scores) - len(scores) * math.log(max(self._lexicon.total, 1.0))

    def _changes(self, words: Sequence[str], place: int) -> Iterator[_Change]:
        yield from self._respelt(words, place)
        yield from self._moved(words, place)
        yield from self._split(words, place)
        for left in (place - 1, place):
            if left >= 0 and left + 1 < len(words) and words[left + 1]:
                yield from self._joined(words, left)

    def _respelt(self, words: Sequence[str], place: int) -> Iterator[_Change]:
        word, unfinished = words[place], place == len(words) - 1
        before = self._unigram(word, unfinished)
        max_edits = MAX_EDITS if len(word) >= _LONG else 1
        floor = before - _SEARCH_LOSS[before < 0]
        for spelling in self._lexicon.spellings(
            word, unfinished=unfinished, k=_PER_WORD, max_edits=max_edits, floor=floor
        ):
            gain = spelling.score - before
            yield _Change(place, place + 1, spelling.text, gain, spelling.cost, spelling.edits)

    def _moved(self, words: Sequence[str], place: int) -> Iterator[_Change]:
        """A letter that stands two or three places from its own, as in `restaraunt`."""
        word, unfinished = words[place], place == len(words) - 1
        if len(word) < _LONG:
            return
        before = self._unigram(word, unfinished)
        for start, letter in enumerate(word):
            rest = word[:start] + word[start + 1 :]
            for end in (start - 3, start - 2, start + 2, start + 3):
                text = rest[:end] + letter + rest[end:]
                if 0 < end < len(word) and text != word and self._count(text, unfinished):
                    gain = self._unigram(text, unfinished) - before - _MOVED_LETTER
                    yield _Change(place, place + 1, text, gain, _MOVED_LETTER, 1)

    def _split(self, words: Sequence[str], place: int) -> Iterator[_Change]:
        """A space that was left out, or another key hit in its place."""
        word, unfinished, errors = words[place], place == len(words) - 1, self._lexicon.errors
        for end in range(1, len(word)):
            if not self._lexicon.count(word[:end]):
                continue
            for start, cost in ((end, errors.omitted_space), (end + 1, errors.replaced_space)):
                if start < len(word):
                    yield from self._parted(words, (place, place + 1), (word[:end], word[start:]), cost, unfinished)

    def _joined(self, words: Sequence[str], left: int) -> Iterator[_Change]:
        """A space too many, or one that changed places with a letter."""
        first, second, unfinished = words[left], words[left + 1], left + 2 == len(words)
        span, errors = (left, left + 2), self._lexicon.errors
        yield from self._parted(words, span, (first + second,), errors.inserted_space, unfinished)
        if len(first) > 1:
            yield from self._parted(words, span, (first[:-1], first[-1] + second), errors.moved_space, unfinished)
        if len(second) > 1:
            yield from self._parted(words, span, (first + second[0], second[1:]), errors.moved_space, unfinished)

    def _parted(
        self, words: Sequence[str], span: tuple[int, int], parts: tuple[str, ...], cost: float, unfinished: bool
    ) -> Iterator[_Change]:
        """The words of a span as other words of the lexicon."""
        lexicon = self._lexicon
        if not all(map(lexicon.count, parts[:-1])):
            return
        if not (lexicon.mass(parts[-1]) if unfinished else lexicon.count(parts[-1])):
            return
        total = math.log(max(lexicon.total, 1.0))
        after = [self._unigram(part, unfinished and part is parts[-1]) - total for part in parts]
        typed = range(*span)
        before = [self._unigram(words[place], unfinished and place == typed[-1]) - total for place in typed]
        yield _Change(*span, " ".join(parts), sum(after) - sum(before) - cost, cost, 1)


def _cost(chosen: Sequence[_Change]) -> float:
    return sum(change.cost for change in chosen)


def _is_usual(words: Sequence[str], change: _Change) -> bool:
    """Whether a word is more likely a usual misspelling of a far more popular one than a word."""
    word, ratio = words[change.start], change.gain + change.cost
    one = change.end == change.start + 1 and change.edits == 1 and " " not in change.text
    longer = len(word) > max(len(change.text), _LONG) and not word.startswith(change.text)
    near = change.cost <= _USUAL_COST or (longer and change.cost <= _ONE_TOO_MANY)
    return one and near and len(word) >= _LONG_WORD and ratio >= _FAR_MORE


def _combined(changes: Sequence[_Change]) -> list[tuple[_Change, ...]]:
    """One change, or two single errors in different words, the most promising first."""
    single = sorted((change for change in changes if change.edits == 1), key=lambda change: -change.gain)[:_PER_WORD]
    pairs = [
        (first, second) if first.start < second.start else (second, first)
        for first, second in itertools.combinations(single, 2)
        if first.end <= second.start or second.end <= first.start
    ]
    every = [*((change,) for change in changes), *pairs]
    return sorted(every, key=lambda chosen: -sum(change.gain for change in chosen))


def _apply(words: Sequence[str], changes: Sequence[_Change]) -> str:
    """The typed words with changes made that are in the order of their places."""
    rest, position = [], 0
    for change in changes:
        rest += [*words[position : change.start], change.text]
        position = change.end
    return " ".join([*rest, *words[position:]])
