"""A trained model with popular texts taken down: no method shows them, other texts take their places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lm.text.normalize import normalize_query
from service.live.deny_list import DenyEntry, Operator
from service.live.models import LiveModel
from service.live.overlay import Overlay
from service.telemetry.metrics import Metrics
from suggest.model import Model, open_model
from suggest.types import Generated, GenerationOptions, QueryOptions, WordOptions
from tests.service_twins import no_live_state

TAKEN_DOWN = 60


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Model:
    return open_model(tiny_bundle)


@pytest.fixture(scope="module")
def popular(model: Model) -> list[str]:
    """Queries of the log, the most popular first."""
    assert model.bundle.queries is not None
    return [text for text, _ in model.bundle.queries.completions("", 4 * TAKEN_DOWN)[0]]


def with_entries(model: Model, *entries: DenyEntry) -> LiveModel:
    follower = no_live_state(Metrics(CollectorRegistry()))
    follower.overlay = Overlay().with_changes([(entry, True) for entry in entries])
    return LiveModel(model, follower)


def entries(phrases: Iterable[str], operator: Operator = Operator.EXACT) -> list[DenyEntry]:
    return [DenyEntry(operator=operator, phrase=phrase, created_s=1.0) for phrase in phrases]


def beginnings(texts: Iterable[str]) -> list[str]:
    return sorted({text[:length] for text in texts for length in (1, 2, 4, len(text) - 1, len(text))})


def letters(text: str) -> str:
    """All that counts when texts are compared, if these are no look-alikes."""
    return "".join(filter(str.isalnum, text))


def completed(model: LiveModel, query: str, options: QueryOptions = QueryOptions()) -> list[str]:  # noqa: B008
    return [each.text for each in model.complete_query(query, options, None).suggestions]


def test_no_list_holds_what_is_taken_down_and_others_take_its_place(model: Model, popular: list[str]) -> None:
    gone = popular[:TAKEN_DOWN]
    live, before = with_entries(model, *entries(gone)), with_entries(model)
    same = set(map(letters, gone))
    shorter = 0
    for prefix in ["", *beginnings(gone)]:
        for options in (QueryOptions(), QueryOptions(generated=Generated.OFF), QueryOptions(max_suggestions=20)):
            shown = completed(live, prefix, options)
            assert not set(shown) & set(gone), prefix
            allowed = [text for text in completed(before, prefix, options) if letters(text) not in same]
            assert len(shown) >= len(allowed)
            shorter += len(shown) < min(options.max_suggestions, len(completed(before, prefix, options)))
    assert len(completed(live, "")) == 10
    assert shorter < 3 * len(beginnings(gone)) / 2


def test_harmless_texts_stay(model: Model, popular: list[str]) -> None:
    gone, others = popular[:TAKEN_DOWN], popular[TAKEN_DOWN:]
    live, before = with_entries(model, *entries(gone)), with_entries(model)
    same = set(map(letters, gone))
    for text in others:
        if letters(text) not in same and text in completed(before, text[:-1]):
            assert text in completed(live, text[:-1])


def test_corrections_obey(model: Model, popular: list[str]) -> None:
    gone = [text for text in popular if len(text) > 5][:20]
    live, words = with_entries(model, *entries(gone)), with_entries(model, *entries(gone, Operator.CONTAINS))
    corrected = 0
    for text in gone:
        for typed in (text[:2] + text[3:], text[:3] + text[2:], text[:2] + text[3] + text[2] + text[4:]):
            before = with_entries(model).complete_query(typed, QueryOptions(), None)
            corrected += text in (before.corrected_query, *(each.text for each in before.suggestions))
            assert text not in completed(live, typed)
            answer = words.complete_query(typed, QueryOptions(), None)
            assert answer.corrected_query.rstrip() != text
            assert not any(f" {text} " in f" {each.text} " for each in answer.suggestions)
    assert corrected > 5


def test_patterns_and_kill_switches(model: Model, popular: list[str]) -> None:
    letter = popular[0][0]
    live = with_entries(model, *entries([rf"^{letter}"], Operator.PATTERN))
    assert not any(text.startswith(letter) for text in completed(live, ""))
    assert completed(live, letter) == []
    off = with_entries(model, DenyEntry(operator=Operator.GENERATED, created_s=1.0))
    for prefix in beginnings(popular[:5]):
        assert completed(off, prefix) == completed(with_entries(model), prefix, QueryOptions(generated=Generated.OFF))
    silent = with_entries(model, DenyEntry(operator=Operator.EVERYTHING, created_s=1.0))
    assert completed(silent, "") == []
    assert silent.predict_next_word("the ", WordOptions(), None).suggestions == ()
    assert "".join(chunk.text for chunk in silent.generate_text("the", GenerationOptions())) == ""


def words_after(model: LiveModel, text: str) -> list[str]:
    return [each.text for each in model.predict_next_word(text, WordOptions(max_suggestions=20), None).suggestions]


def test_next_words_obey(model: Model) -> None:
    before = with_entries(model)
    first, second = words_after(before, "the ")[:2]
    follower = words_after(before, f"the {first} ")[0]
    assert first not in words_after(with_entries(model, *entries([first])), "the ")
    assert second in words_after(with_entries(model, *entries([first])), "the ")
    phrase = with_entries(model, *entries([f"{first} {follower}"], Operator.CONTAINS))
    assert first in words_after(phrase, "the ")
    assert follower not in words_after(phrase, f"the {first} ")
    whole = with_entries(model, *entries([f"the {first}"]))
    assert first not in words_after(whole, "the ")
    assert first in words_after(whole, "of the ") or first not in words_after(before, "of the ")


GENERATIONS: list[tuple[str, Callable[[int], GenerationOptions]]] = [
    ("greedy", lambda _: GenerationOptions(temperature=0, max_output_tokens=12)),
    ("beam", lambda _: GenerationOptions(beam_width=4, max_output_tokens=8)),
    ("sampled", lambda seed: GenerationOptions(seed=seed, max_output_tokens=12)),
]


@pytest.mark.parametrize(("kind", "options"), GENERATIONS, ids=[kind for kind, _ in GENERATIONS])
def test_generated_text_goes_on_otherwise(model: Model, kind: str, options: Callable[[int], GenerationOptions]) -> None:
    went_on = 0
    for seed in range(8 if kind == "sampled" else 2):
        prompt = ("the ", "we will ")[seed % 2]
        usual = "".join(chunk.text for chunk in with_entries(model).generate_text(prompt, options(seed)))
        words = normalize_query(usual).split()
        if len(words) < 3:
            continue
        word, pair = words[1], f"{words[0]} {words[1]}"
        for entry in entries([word, pair], Operator.CONTAINS):
            live = with_entries(model, entry)
            text = normalize_query("".join(chunk.text for chunk in live.generate_text(prompt, options(seed))))
            assert f" {entry.phrase} " not in f" {text} "
            went_on += bool(text)
        line = normalize_query(f"{prompt}{usual}").strip()
        ended = with_entries(model, *entries([line]))
        again = "".join(chunk.text for chunk in ended.generate_text(prompt, options(seed)))
        assert normalize_query(f"{prompt}{again}").strip() != line
    assert went_on > 1 or kind == "beam"  # whose texts are short
