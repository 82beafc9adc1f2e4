"""Learns how words are written, for models that read text in lower case; see `lm.models.written_forms`."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lm.models.vocabulary import SPACE, UNKNOWN, Vocabulary
from lm.models.written_forms import Writing, WrittenForms
from lm.text.normalize import normalize_text, split_words
from lm.text.sentences import split_sentences
from training.progress import Reporter

_MOST_AFTER = 500_000
"""Forms after a certain word that are kept at most, those that set most words right."""
_MIN_GAIN = 2
"""Words that a form after a certain word must set right."""
_MIN_COUNT = 2
"""How often a word must be there to have an entry where there is no vocabulary of words."""


class _Lower(dict[str, str]):
    """Written words in lower case, as models have them."""

    def __missing__(self, word: str) -> str:
        self[word] = lower = normalize_text(word, lowercase=True)
        return lower


def learn_written_forms(
    texts: Sequence[Path], vocabulary: Vocabulary | None, *, pretokenized: bool, label: str, reporter: Reporter
) -> WrittenForms:
    """Counts the forms of words inside sentences: at their beginning a capital says nothing of the word.

    Sentences in capitals, as headings are, do not count. An abbreviation's form has its point.

    Args:
        texts: UTF-8, case kept.
        vocabulary: the words that get an entry; None: those that are there twice.
    """
    lower = _Lower()
    with reporter.task(f"{label}: written forms"):
        inside, begins = Counter[str](), Counter[str]()
        for words in _sentences(texts, pretokenized=pretokenized):
            begins[words[0]] += 1
            inside.update(words[1:])
        counts = defaultdict[str, Counter[str]](Counter)
        for form, count in inside.items():
            counts[_plain(lower[form])][form] += count
        for word in [word for word, forms in counts.items() if not _is_kept(word, forms, vocabulary)]:
            del counts[word]
        usual = {word: forms.most_common(1)[0][0] for word, forms in counts.items()}
        several = {form for forms in counts.values() if len(forms) > 1 for form in forms}
        after = _after(_sentences(texts, pretokenized=pretokenized), several, usual, lower)
        writing = _writing(begins)
        return WrittenForms.of(writing, usual, after, _beginnings(begins, writing, usual, lower))


def _is_kept(word: str, forms: Counter[str], vocabulary: Vocabulary | None) -> bool:
    return forms.total() >= _MIN_COUNT if vocabulary is None else vocabulary.id(SPACE + word) != UNKNOWN


def _after(
    sentences: Iterable[list[str]], several: set[str], usual: dict[str, str], lower: _Lower
) -> dict[tuple[str, str], str]:
    """Other forms than the usual ones that words have after certain words or marks."""
    counts = defaultdict[tuple[str, str], Counter[str]](Counter)
    for words in sentences:
        for before, form in itertools.pairwise(words):
            if form in several:
                counts[lower[before], _plain(lower[form])][form] += 1
    gains = dict[tuple[str, str], tuple[int, str]]()
    for pair, forms in counts.items():
        form, count = forms.most_common(1)[0]
        gain = count - forms[usual[pair[1]]]
        if gain >= _MIN_GAIN:
            gains[pair] = (gain, form)
    best = sorted(gains, key=lambda pair: (-gains[pair][0], pair))[:_MOST_AFTER]
    return {pair: gains[pair][1] for pair in best}


def _sentences(texts: Sequence[Path], *, pretokenized: bool) -> Iterator[list[str]]:
    """Words and marks of each sentence from its first word on, without sentences that have no small letter."""
    for path in texts:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                for sentence in [line] if pretokenized else split_sentences(line):
                    if any(map(str.islower, sentence)):
                        words = sentence.split() if pretokenized else _with_points(split_words(sentence))
                        first = next((place for place, word in enumerate(words) if any(map(str.isalnum, word))), None)
                        if first is not None:
                            yield words[first:]


def _with_points(words: list[str]) -> list[str]:
    """The words, where a word before a point inside the sentence takes it in."""
    whole = list[str]()
    for place, word in enumerate(words):
        inner = word == "." and whole and whole[-1].isalpha() and any(map(str.isalnum, words[place + 1 : place + 3]))
        if inner:
            whole[-1] += word
        else:
            whole.append(word)
    return whole


def _plain(form: str) -> str:
    """The word of a form: without the point of an abbreviation that is a mark of its own (`mr.`, not `u.s.`)."""
    return form[:-1] if form.endswith(".") and form[:-1].isalpha() else form


def _writing(begins: Counter[str]) -> Writing:
    """How sentences begin, by their first words."""
    capital = sum(count for word, count in begins.items() if word[:1].isupper() or word[:1].istitle())
    small = sum(count for word, count in begins.items() if word[:1].islower())
    return Writing(capital_begins=capital > small)


def _beginnings(begins: Counter[str], writing: Writing, usual: dict[str, str], lower: _Lower) -> dict[str, str]:
    """Other forms than is expected that words have at the beginning of a sentence."""
    counts = defaultdict[str, Counter[str]](Counter)
    for form, count in begins.items():
        counts[_plain(lower[form])][form] += count
    others = dict[str, str]()
    for word, forms in counts.items():
        form, count = forms.most_common(1)[0]
        if count - forms[writing.capitalised(usual.get(word, word))] >= _MIN_GAIN:
            others[word] = form
    return others
