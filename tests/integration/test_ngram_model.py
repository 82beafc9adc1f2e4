"""A trained n-gram model, of every smoothing: its table proposes as a look at every token does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lm.errors import BundleDamagedError
from lm.index.existing_words import Ending, build_existing_words, open_existing_words
from lm.models.ngram import NgramModel
from lm.models.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint
from lm.text.hangul import TypedPrefix
from tests.trained_ngrams import COUNT_CONFIGS, KENLM_CONFIGS, SENTENCES, TrainedNgram, train_on_made_up_text


@pytest.fixture(scope="module", params=[*KENLM_CONFIGS, *COUNT_CONFIGS])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainedNgram:
    config = (KENLM_CONFIGS | COUNT_CONFIGS)[request.param]
    return train_on_made_up_text(config, tmp_path_factory.mktemp(config.name))


def test_the_test_sentences_hold_unknown_words(trained: TrainedNgram) -> None:
    assert any(UNKNOWN in trained.tokenizer.encode(sentence) for sentence in SENTENCES)


def test_probabilities_sum_to_one(trained: TrainedNgram) -> None:
    for context in trained.contexts():
        log_probs = trained.model.table.distribution(context, 0, len(trained.vocabulary))
        assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
        assert log_probs[BEGIN] == -math.inf


def test_the_distribution_is_the_score_of_every_token(trained: TrainedNgram) -> None:
    table, size = trained.model.table, len(trained.vocabulary)
    for context in trained.contexts():
        scores = [table.score(context, token)[0] for token in range(size)]
        np.testing.assert_allclose(table.distribution(context, 0, size), scores, atol=1e-5, rtol=0)
        np.testing.assert_array_equal(table.distribution(context, 5, 20), table.distribution(context, 0, size)[5:20])
        alone = np.zeros((1, size), np.float32)
        table.mix(np.array([context]), np.ones(1, np.float32), alone)
        np.testing.assert_allclose(alone[0], np.exp(scores), atol=1e-6)


def test_successors_are_the_best_of_all_tokens(trained: TrainedNgram) -> None:
    table, size = trained.model.table, len(trained.vocabulary)
    ranges = [(END, size), (END + 1, size), (10, 40), (20, 20)]
    ranges += [trained.vocabulary.prefix_range((SPACE + typed).encode()) for typed in ("", "b", "ba", "re")]
    for context in trained.contexts():
        for low, high in ranges:
            scored = [(token, table.score(context, token)[0]) for token in range(low, high)]
            scored.sort(key=lambda row: (-row[1], row[0]))
            for k in (1, 5, size):
                assert table.successors(context, low, high, k) == scored[:k]
            assert table.successors(context, low, high, 0) == []


@dataclass(frozen=True, slots=True)
class _Path:
    log_prob: np.float32
    parent: int
    token: int
    offset: int
    tokens: tuple[int, ...]
    context: int


def _extensions(trained: TrainedNgram, constraint: Constraint, path: _Path, number: int) -> tuple[list[_Path], float]:
    """All paths one token longer, and the probability of the tokens that spell the rest of what was typed."""
    table, typed = trained.model.table, len(constraint.lows)
    if path.offset < typed:
        whole = range(constraint.lows[path.offset], constraint.highs[path.offset])
        steps = [(token, typed) for token in whole] + constraint.parts(path.offset)
    else:
        whole = range(0)
        steps = [(token, typed) for token in range(END, len(trained.vocabulary))]
    longer = []
    for token, offset in steps:
        score, following = table.score(path.context, token)
        log_prob = np.float32(path.log_prob + np.float32(score))
        longer.append(_Path(log_prob, number, token, offset, (*path.tokens, token), following))
    mass = math.fsum(math.exp(table.score(path.context, token)[0]) for token in whole)
    return longer, mass * math.exp(path.log_prob)


Allowed = Callable[[tuple[int, ...]], bool]


def _naive_beam(
    trained: TrainedNgram,
    context: int,
    constraint: Constraint,
    width: int,
    max_tokens: int,
    allowed: Allowed = bool,
) -> tuple[list[tuple[tuple[int, ...], float]], float]:
    """The same beam, which scores every token of the vocabulary at every step."""
    active = [(0, _Path(np.float32(0), -1, -1, 0, (), context))]
    finished: list[_Path] = []
    mass, count = 0.0, 1

    def rank(path: _Path) -> tuple[float, int, int]:
        return (-float(path.log_prob), path.parent, path.token)

    for _ in range(max_tokens):
        proposals: list[_Path] = []
        for number, path in active:
            longer, typed_mass = _extensions(trained, constraint, path, number)
            proposals += [path for path in longer if allowed(path.tokens)]
            mass += typed_mass
        active = []
        for path in sorted(proposals, key=rank)[:width]:
            if path.token == END:
                finished = sorted([*finished, path], key=rank)[:width]
            elif len(finished) < width or path.log_prob > finished[-1].log_prob:
                active.append((count, path))
                count += 1
    return [(path.tokens, float(path.log_prob)) for path in finished], mass


@pytest.mark.parametrize("typed", ["", "r", "re", "red", "ba", "ban", "caf", "theb", "xq"])
@pytest.mark.parametrize(("before", "width"), [("", 8), ("the", 4), ("how to dela a", 16)])
def test_the_beam_is_that_of_scoring_everything(trained: TrainedNgram, before: str, typed: str, width: int) -> None:
    context = trained.context(trained.tokenizer.encode(before))
    constraint = trained.vocabulary.constraint(TypedPrefix(SPACE + typed))

    found, typed_log_prob = trained.model.table.beam(context, constraint.arrays, width, 8)

    expected, mass = _naive_beam(trained, context, constraint, width, 8)
    assert [tuple(tokens) for tokens, _ in found] == [tokens for tokens, _ in expected]
    for (tokens, steps), (_, log_prob) in zip(found, expected, strict=True):
        assert math.fsum(steps) == pytest.approx(log_prob, abs=1e-4)
        scores, _ = trained.model.table.score_all(context, np.array(tokens, np.int32))
        np.testing.assert_allclose(steps, scores, atol=1e-5)
        assert trained.vocabulary.spell(tokens).startswith(typed)
    assert math.exp(typed_log_prob) == pytest.approx(mass, rel=1e-4)


def _made_of(trained: TrainedNgram, words: dict[str, Ending], typed: str) -> Allowed:
    """Whether tokens are those of words, the last one perhaps unfinished, and end with a word that may end a query."""
    low, high = trained.vocabulary.prefix_range(SPACE.encode())
    spelt = {tuple(trained.tokenizer.encode(word)): ending for word, ending in words.items()}
    spelt = {tokens: ending for tokens, ending in spelt.items() if UNKNOWN not in tokens}

    def allowed(tokens: tuple[int, ...]) -> bool:
        starts = [place for place, token in enumerate(tokens) if low <= token < high]
        parts = [tokens[start:end] for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)]
        if tokens[-1] == END:
            ending = Ending.TYPED_QUERY if typed and len(parts) == 1 else Ending.ANY_QUERY
            return all(part in spelt for part in parts[:-1]) and spelt.get(parts[-1][:-1], 0) >= ending
        unfinished = any(word[: len(parts[-1])] == parts[-1] for word in spelt)
        return starts[0] == 0 and unfinished and all(part in spelt for part in parts[:-1])

    return allowed


@pytest.mark.parametrize("typed", ["", "r", "re", "ba", "ban", "xq"])
@pytest.mark.parametrize(("before", "width"), [("", 8), ("the", 4), ("how to dela a", 200)])
def test_the_beam_makes_queries_of_words_that_exist(
    trained: TrainedNgram, before: str, typed: str, width: int, tmp_path: Path
) -> None:
    every = sorted({word for sentence in SENTENCES for word in sentence.split(" ")})
    words = {word: Ending(place % 4) for place, word in enumerate(every) if place % 4}
    build_existing_words(tmp_path, words, trained.vocabulary, trained.tokenizer)
    context = trained.context(trained.tokenizer.encode(before))
    constraint = trained.vocabulary.constraint(TypedPrefix(SPACE + typed))
    walk = open_existing_words(tmp_path, trained.vocabulary)

    found, typed_log_prob = trained.model.table.beam(context, constraint.arrays, width, 6, walk)

    expected, _ = _naive_beam(trained, context, constraint, width, 6, _made_of(trained, words, typed))
    assert [tuple(tokens) for tokens, _ in found] == [tokens for tokens, _ in expected]
    assert typed_log_prob == trained.model.table.typed_log_prob(context, constraint.arrays, width)


@pytest.mark.parametrize("typed", ["", "r", "red", "ban", "caf", "theb", "xq"])
@pytest.mark.parametrize("before", ["", "how to dela a"])
def test_what_was_typed_is_as_probable_as_by_a_beam_that_drops_nothing(
    trained: TrainedNgram, before: str, typed: str
) -> None:
    context = trained.context(trained.tokenizer.encode(before))
    constraint = trained.vocabulary.constraint(TypedPrefix(SPACE + typed)).arrays
    table = trained.model.table
    _, expected = table.beam(context, constraint, 10_000, len(typed) + 1)
    assert table.typed_log_prob(context, constraint, 10_000) == pytest.approx(expected, abs=1e-6)
    assert table.typed_log_prob(context, constraint, 8) == pytest.approx(expected, abs=0.05)
    assert table.typed_log_prob(context, trained.vocabulary.constraint(TypedPrefix("")).arrays, 8) == 0.0


def test_a_beam_finds_something_for_what_was_trained(trained: TrainedNgram) -> None:
    constraint = trained.vocabulary.constraint(TypedPrefix(SPACE + "re"))

    found, typed_log_prob = trained.model.table.beam(trained.model.begin, constraint.arrays, 8, 12)

    assert found
    assert -math.inf < typed_log_prob < 0


def test_a_table_of_an_unknown_smoothing_is_damage(tmp_path: Path) -> None:
    vocabulary = train_on_made_up_text(COUNT_CONFIGS["unigrams"], tmp_path).vocabulary
    facts = json.loads((tmp_path / "ngram.json").read_text())
    (tmp_path / "ngram.json").write_text(json.dumps(facts | {"smoothing": "good_turing"}))

    with pytest.raises(BundleDamagedError, match="smoothing 'good_turing'"):
        NgramModel(tmp_path, vocabulary)
