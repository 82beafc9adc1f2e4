"""Next words: what a user sees who types held-out text, word by word.

The lists are those that `suggest.words` shows: words alone, no punctuation. Ties count against the truth. Unknown words
and words without a letter are not typed, but stay in the context. Each sentence starts afresh, even if the model would
remember the ones before.

A word that is listed before any letter counts for top 1 and top 3. The user looks at the list before each letter. A
word in it is taken by one keystroke, which also types the space; otherwise the letter is typed. Savings are
`1 - keystrokes / (letters + spaces)` over the whole text.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lm.models.language_model import LanguageModel, State
from lm.models.parts import Part
from lm.models.vocabulary import BEGIN, FIRST_TOKEN, SPACE, UNKNOWN
from suggest.decode import complete_word
from suggest.words import SPARE, is_word, shown_words
from training.evaluation.statistics import reliability
from training.progress import Reporter

LISTS = (3, 5)
"""Lengths of the lists that are looked at."""
_TOPS = (1, 3)
_CALIBRATED = 3
"""Words of a list that calibration looks at."""
_ROWS = 64
"""Distributions computed at a time, so that memory stays bounded."""


def next_words(
    model: LanguageModel, sentences: Sequence[str], parts: Sequence[Part], reporter: Reporter
) -> dict[Part, dict[str, Any]]:
    """Next-word accuracy, keystroke savings and calibration of parts; a part is empty if no word was typed.

    Calibration looks at the first 3 words shown before any letter, at every place where a word can come. The text may
    go on with a mark, an unknown word or its end there.
    """
    meters = {part: Keystrokes() for part in parts}
    walk = _walk_subwords if model.joins else _WordWalk(model)
    with reporter.task(f"{model.entry.name}: next words", len(sentences)) as task:
        for number, sentence in enumerate(sentences):
            walk(model, model.tokenizer.encode(sentence), meters)
            task.update(number + 1)
    return {
        part: meter.summary() | {"calibration": reliability(meter.probabilities, meter.right)} if meter.words else {}
        for part, meter in meters.items()
    }


@dataclass(slots=True)
class Keystrokes:
    """What typing many words cost, and what was shown before them.

    Attributes:
        probabilities, right: of each word shown before any letter: its probability, and whether it came next.
    """

    words: int = 0
    letters: int = 0
    hits: dict[int, int] = field(default_factory=lambda: dict.fromkeys(_TOPS, 0))
    strokes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LISTS, 0))
    probabilities: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    def add(self, length: int, ranks: Iterable[int]) -> None:
        """Types a word of `length` letters.

        Args:
            ranks: its place in the list, from 0, before each letter. They are read only as far as needed.
        """
        self.words += 1
        self.letters += length + 1
        waiting = set(LISTS)
        for typed, rank in enumerate(ranks):
            for top in _TOPS:
                self.hits[top] += typed == 0 and rank < top
            for size in [size for size in waiting if rank < size]:
                self.strokes[size] += typed + 1
                waiting.discard(size)
            if not waiting:
                return
        for size in waiting:
            self.strokes[size] += length + 1

    def show(self, log_probs: Iterable[float], right: Iterable[bool]) -> None:
        """Takes in a list shown before any letter."""
        self.probabilities += map(math.exp, log_probs)
        self.right += right

    def summary(self) -> dict[str, Any]:
        """Shares; empty if no word was typed."""
        if not self.words:
            return {}
        tops = {f"top{top}": hits / self.words for top, hits in self.hits.items()}
        saved = {f"keystrokes_saved_at_{size}": 1 - cost / self.letters for size, cost in self.strokes.items()}
        return {"words": self.words, **tops, **saved}


class _WordWalk:
    """Types words of a word model. One distribution gives all ranks of a word, or another one those before any letter.

    After some letters the list holds the best of a range of ids. Each letter's range lies within the range before, so
    a word's rank is the number of better words in the range.
    """

    def __init__(self, model: LanguageModel) -> None:
        texts = [model.tokenizer.decode([token]) for token in range(FIRST_TOKEN, len(model.vocabulary))]
        self._shown_V = np.array([False] * FIRST_TOKEN + [is_word(text) for text in texts])
        self._vocabulary = model.vocabulary
        self._ranges: dict[int, list[tuple[int, int]]] = {}

    def __call__(self, model: LanguageModel, tokens: Sequence[int], meters: dict[Part, Keystrokes]) -> None:
        states = states_of(model, tokens)
        for start in range(0, len(states), _ROWS):
            for part, meter in meters.items():
                rows = states[start : start + _ROWS]
                log_probs_TV = first_TV = model.log_probs(rows, part)
                if part is Part.ENSEMBLE and model.has_short_list:
                    first_TV = model.likely_log_probs(rows)
                self._type(model, first_TV, log_probs_TV, tokens[start : start + _ROWS], meter)

    def _type(
        self,
        model: LanguageModel,
        first_TV: NDArray[np.float32],
        log_probs_TV: NDArray[np.float32],
        tokens: Sequence[int],
        meter: Keystrokes,
    ) -> None:
        """Types words by the log probabilities before their first letter, and those before the other letters."""
        for row in range(len(first_TV)):
            target = tokens[row] if row < len(tokens) else None  # None: the end of the sentence
            first_V, masked_V = (np.where(self._shown_V, each[row], -np.inf) for each in (first_TV, log_probs_TV))
            best = np.argpartition(first_V, -_CALIBRATED)[-_CALIBRATED:]
            meter.show(first_V[best].tolist(), (best == target).tolist())
            if target is not None and is_typed(word := model.tokenizer.decode([target]), [target]):
                meter.add(len(word), self.ranks(first_V, masked_V, target, word))

    def ranks(
        self, first_V: NDArray[np.float32], masked_V: NDArray[np.float32], target: int, word: str
    ) -> Iterator[int]:
        """The word's place in the list, from 0, before each of its letters."""
        if target not in self._ranges:
            prefixes = ((SPACE + word[:typed]).encode() for typed in range(len(word)))
            self._ranges[target] = [self._vocabulary.prefix_range(prefix) for prefix in prefixes]
        for typed, (low, high) in enumerate(self._ranges[target]):
            by_V = masked_V if typed else first_V
            yield int(np.count_nonzero(by_V[low:high] >= by_V[target])) - 1


def states_of(model: LanguageModel, tokens: Sequence[int]) -> list[State]:
    """The states before each token of a sentence and after the last; the neural model reads it in one call."""
    ngrams, recents = [model.ngram.begin], [model.remember((), ())]
    for token in tokens:
        ngrams.append(model.ngram.table.score(ngrams[-1], token)[1])
        recents.append(model.remember(recents[-1], (token,)))
    if model.neural is None:
        return [State(ngram, recent=recent) for ngram, recent in zip(ngrams, recents, strict=True)]
    hidden_BTE, _ = model.neural.advance(np.array([[BEGIN, *tokens]], np.int64), model.neural.initial_state())
    return [
        State(ngram, None, hidden_BTE[0, place : place + 1], recent)
        for place, (ngram, recent) in enumerate(zip(ngrams, recents, strict=True))
    ]


def _walk_subwords(model: LanguageModel, tokens: Sequence[int], meters: dict[Part, Keystrokes]) -> None:
    """Types words of a subword model. Each letter's list is searched for, as when serving."""
    for part, meter in meters.items():
        context: tuple[int, ...] = ()
        for word_tokens in [*_words(model, tokens), []]:
            word = "" if UNKNOWN in word_tokens else model.tokenizer.decode(word_tokens)
            shown = listed_words(model, context, "", part)
            first = shown[:_CALIBRATED]
            meter.show((log_prob for _, log_prob in first), (text == word for text, _ in first))
            if is_typed(word, word_tokens):
                meter.add(len(word), _searched_ranks(model, context, word, part, shown))
            context += tuple(word_tokens)


def listed_words(
    model: LanguageModel, context: tuple[int, ...], typed: str, part: Part, count: int = max(LISTS)
) -> list[tuple[str, float]]:
    """The words shown, with their natural-log probabilities given the typed letters."""
    found = complete_word(model, context, typed, count + SPARE, part)
    words = list(itertools.islice(shown_words(model, found, typed), count))
    return [(word.text, word.log_prob) for word in words]


def _searched_ranks(
    model: LanguageModel, context: tuple[int, ...], word: str, part: Part, shown: list[tuple[str, float]]
) -> Iterator[int]:
    for typed in range(len(word)):
        if typed:
            shown = listed_words(model, context, word[:typed], part)
        texts = [text for text, _ in shown]
        yield texts.index(word) if word in texts else max(LISTS)


def _words(model: LanguageModel, tokens: Sequence[int]) -> list[list[int]]:
    """Tokens of each word; a word begins where a token begins with a space."""
    low, high = model.word_starts
    words: list[list[int]] = []
    for token in tokens:
        if not words or low <= token < high:
            words.append([])
        words[-1].append(token)
    return words


def is_typed(word: str, tokens: Sequence[int]) -> bool:
    """Whether a word of the text counts as one that somebody types."""
    return UNKNOWN not in tokens and any(map(str.isalpha, word))
