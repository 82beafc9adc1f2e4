"""A trained n-gram model: its table scores as KenLM does, and proposes as a look at every token does."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lm.errors import ConfigError
from lm.ngram import NgramModel
from lm.tokenizer import Tokenizer, open_tokenizer
from lm.vocabulary import BEGIN, END, SPACE, UNKNOWN, Constraint, Vocabulary
from training.config import LanguageModelConfig, NgramConfig
from training.encoding import encode
from training.ngram import train_ngram
from training.progress import SilentReporter
from training.vocabulary import build_vocabulary

_CONFIGS = {
    "word": LanguageModelConfig(
        name="words",
        unit="word",
        sources=("text",),
        vocabulary_size=90,  # of some 120: the others are unknown words
        ngram=NgramConfig(order=4, discount_fallback=True, memory="64M"),
    ),
    "subword": LanguageModelConfig(
        name="pieces",
        unit="subword",
        sources=("queries",),
        vocabulary_size=300,
        ngram=NgramConfig(order=5, discount_fallback=True, memory="64M"),
    ),
    "pruned": LanguageModelConfig(
        name="pruned",
        unit="word",
        sources=("text",),
        vocabulary_size=4000,  # more than the text has: no unknown words
        ngram=NgramConfig(order=4, prune=(0, 1), discount_fallback=True, memory="64M"),
    ),
}
_COUNTED = {
    "add_delta": LanguageModelConfig(
        name="lidstone",
        unit="word",
        sources=("text",),
        vocabulary_size=90,
        ngram=NgramConfig(smoothing="add_delta", order=3, delta=0.1),
    ),
    "stupid_backoff": LanguageModelConfig(
        name="stupid",
        unit="subword",
        sources=("queries",),
        vocabulary_size=300,
        ngram=NgramConfig(smoothing="stupid_backoff", order=5),
    ),
    "unigrams": LanguageModelConfig(
        name="unigrams",
        unit="word",
        sources=("text",),
        vocabulary_size=4000,
        ngram=NgramConfig(smoothing="add_delta", order=1),
    ),
}
_QUANTIZE_BITS = 8
_TEMPLATES = (
    "the {a} {n} {v} the {n}",
    "a {n} {v} in the {a} {n}",
    "how to {v} a {n}",
    "{a} {n} near the {n}",
    "{n} and {n} {v} the {a} {a} {n}",
    "why do they {v} {n}",
)
_SENTENCES = (
    "",
    "the red bano",
    "how to dela a red kelu",
    "the the the how why do they",
    "zyxw qqq the red zyxw",
    "naïve café a",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    vocabulary: Vocabulary
    tokenizer: Tokenizer
    model: NgramModel

    def context(self, tokens: list[int]) -> int:
        return self.model.table.score_all(self.model.begin, np.array(tokens, np.int32))[1]

    def contexts(self) -> list[int]:
        """After every beginning of every test sentence."""
        encoded = [self.tokenizer.encode(sentence) for sentence in _SENTENCES]
        return [self.context(tokens[:end]) for tokens in encoded for end in range(len(tokens) + 1)]


def _write_text(path: Path, line_count: int) -> None:
    chance = random.Random(11)
    syllables = ("ba", "no", "de", "la", "ke", "lu", "ri", "so", "tu", "mi")
    nouns = [first + second for first in syllables[:6] for second in syllables]
    verbs = [first + second for first in syllables[6:] for second in syllables]
    adjectives = ["red", "big", "new", "older", "newer", "reddish", "café", "naïve"]

    def pick(words: list[str]) -> str:
        # the first words far more often than the last, as in a language
        return words[int(len(words) * chance.random() ** 2.5)]

    def fill(template: str) -> str:
        slots = {"n": nouns, "v": verbs, "a": adjectives}
        return " ".join(pick(slots[word[1]]) if word.startswith("{") else word for word in template.split())

    lines = [fill(chance.choice(_TEMPLATES)) for _ in range(line_count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module", params=[*_CONFIGS, *_COUNTED])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Trained:
    config = (_CONFIGS | _COUNTED)[request.param]
    return _train(config, tmp_path_factory.mktemp(config.name))


def _train(config: LanguageModelConfig, folder: Path, line_count: int = 2000) -> _Trained:
    silent = SilentReporter()
    text = folder / "text.txt"
    _write_text(text, line_count)
    vocabulary = build_vocabulary(config, [text], folder, silent)
    tokenizer = open_tokenizer(folder, config.unit, vocabulary, lowercase=config.lowercase)
    train_ngram(
        config.ngram,
        encode(tokenizer, [text], folder, "train", silent),
        vocabulary,
        folder,
        reporter=silent,
        label=config.name,
    )
    return _Trained(vocabulary=vocabulary, tokenizer=tokenizer, model=NgramModel(folder, vocabulary))


def _some_sentences(trained: _Trained) -> list[list[int]]:
    """Ordinary, random and unknown ones, each with its end."""
    chance = random.Random(5)
    everything = [UNKNOWN, *range(END + 1, len(trained.vocabulary))]
    sentences = [trained.tokenizer.encode(sentence) for sentence in _SENTENCES]
    sentences += [chance.choices(everything, k=8) for _ in range(30)]
    sentences.append([UNKNOWN] * 6)
    return [[*tokens, END] for tokens in sentences]


def test_the_table_scores_as_kenlm_does(trained: _Trained) -> None:
    for whole in _some_sentences(trained):
        scores, _ = trained.model.table.score_all(trained.model.begin, np.array(whole, np.int32))
        np.testing.assert_allclose(scores, trained.model.log_probs(whole), atol=1e-5, rtol=0)


def test_the_test_sentences_hold_unknown_words(trained: _Trained) -> None:
    assert any(UNKNOWN in trained.tokenizer.encode(sentence) for sentence in _SENTENCES)


def test_probabilities_sum_to_one(trained: _Trained) -> None:
    for context in trained.contexts():
        log_probs = trained.model.table.distribution(context, 0, len(trained.vocabulary))
        assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
        assert log_probs[BEGIN] == -math.inf


def test_the_distribution_is_the_score_of_every_token(trained: _Trained) -> None:
    table, size = trained.model.table, len(trained.vocabulary)
    for context in trained.contexts():
        scores = [table.score(context, token)[0] for token in range(size)]
        np.testing.assert_allclose(table.distribution(context, 0, size), scores, atol=1e-5, rtol=0)
        np.testing.assert_array_equal(table.distribution(context, 5, 20), table.distribution(context, 0, size)[5:20])


def test_successors_are_the_best_of_all_tokens(trained: _Trained) -> None:
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


def _extensions(trained: _Trained, constraint: Constraint, path: _Path, number: int) -> tuple[list[_Path], float]:
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


def _naive_beam(
    trained: _Trained, context: int, constraint: Constraint, width: int, max_tokens: int
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
            proposals += longer
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
def test_the_beam_is_that_of_scoring_everything(trained: _Trained, before: str, typed: str, width: int) -> None:
    context = trained.context(trained.tokenizer.encode(before))
    constraint = trained.vocabulary.constraint(SPACE + typed)

    found, typed_log_prob = trained.model.table.beam(context, constraint.arrays, width, 8)

    expected, mass = _naive_beam(trained, context, constraint, width, 8)
    assert [tuple(tokens) for tokens, _ in found] == [tokens for tokens, _ in expected]
    for (tokens, steps), (_, log_prob) in zip(found, expected, strict=True):
        assert math.fsum(steps) == pytest.approx(log_prob, abs=1e-4)
        scores, _ = trained.model.table.score_all(context, np.array(tokens, np.int32))
        np.testing.assert_allclose(steps, scores, atol=1e-5)
        assert trained.vocabulary.spell(tokens).startswith(typed)
    assert math.exp(typed_log_prob) == pytest.approx(mass, rel=1e-4)


def test_a_beam_finds_something_for_what_was_trained(trained: _Trained) -> None:
    constraint = trained.vocabulary.constraint(SPACE + "re")

    found, typed_log_prob = trained.model.table.beam(trained.model.begin, constraint.arrays, 8, 12)

    assert found
    assert -math.inf < typed_log_prob < 0


def test_pruning_drops_ngrams_and_no_word(tmp_path: Path) -> None:
    config = _CONFIGS["pruned"]
    models = {}
    for name, prune in (("all", ()), ("pruned", (0, 1))):
        (tmp_path / name).mkdir()
        ngram = config.ngram.model_copy(update={"prune": prune})
        models[name] = _train(config.model_copy(update={"ngram": ngram}), tmp_path / name)

    assert models["pruned"].model.count < 0.8 * models["all"].model.count
    assert len(models["pruned"].vocabulary) == len(models["all"].vocabulary)


@pytest.mark.parametrize("name", list(_CONFIGS))
def test_a_quantised_model_has_kenlms_values_in_its_table(name: str, tmp_path: Path) -> None:
    config = _CONFIGS[name]
    ngram = config.ngram.model_copy(update={"quantize_bits": _QUANTIZE_BITS})
    for folder in ("full", "quantised"):
        (tmp_path / folder).mkdir()
    full = _train(config, tmp_path / "full")
    quantised = _train(config.model_copy(update={"ngram": ngram}), tmp_path / "quantised")

    difference = 0.0
    for tokens in _some_sentences(quantised):
        scores, _ = quantised.model.table.score_all(quantised.model.begin, np.array(tokens, np.int32))
        np.testing.assert_allclose(scores, quantised.model.log_probs(tokens), atol=1e-5, rtol=0)
        difference = max(difference, np.abs(scores - full.model.log_probs(tokens)).max())
    assert difference > 0.01
    for order in range(2, config.ngram.order + 1):
        values = np.load(tmp_path / "quantised" / f"order{order}.log_probs.npy")
        assert len(np.unique(values)) <= 2**_QUANTIZE_BITS < len(values)
    sizes = {path.parent.name: path.stat().st_size for path in tmp_path.glob("*/kenlm.binary")}
    assert sizes["quantised"] < sizes["full"]
    for context in quantised.contexts():
        log_probs = quantised.model.table.distribution(context, 0, len(quantised.vocabulary))
        assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1, abs=0.06)


def test_a_text_too_small_for_its_discounts_says_so(tmp_path: Path) -> None:
    config = _CONFIGS["pruned"].model_copy(update={"ngram": NgramConfig(order=4, memory="64M")})

    with pytest.raises(ConfigError, match=r"ngram\.order: the training text is too small for order 4"):
        _train(config, tmp_path, line_count=3)
