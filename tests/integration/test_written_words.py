"""Words are suggested as the text writes them, with the capitals that were typed; by small models, really trained."""

# ruff: noqa: RUF001 -- Turkish has a letter without a dot

from __future__ import annotations

from pathlib import Path

import pytest

from lm.bundle.registry import Registry
from suggest.model import Model, open_model
from suggest.types import GenerationOptions, WordOptions
from training.config import TrainingConfig
from training.pipeline import train
from training.progress import SilentReporter

ENGLISH = [
    "The Congress of the United States met in May.",
    "We may thank Mr. Smith of NASA for the people.",
    "In some states the people may speak of freedom.",
    "He gave the people an iPhone and his thanks.",
    "It is for Dr. McKinley to speak, e.g. of Congress.",
    "I think the U.S. Senate may speak to us.",
    "Speak of the states, and I will listen.",
    "THE STATE OF THE UNION",
]
GERMAN = ["Das Haus steht am Wald.", "Wir sehen das alte Haus im Wald.", "Der Wald und das Haus sind schön."]
TURKISH = ["İlk gün İstanbul güzel.", "İyi insan ile ışık var.", "Işık ile ilk iyi gün İstanbul gibi."]
KOREAN = ["한국 음식을 먹었어요.", "한국 여행을 가고 싶어요.", "오늘은 한국 음식이 좋아요."]


def _trained(
    folder: Path, sentences: list[str], *, unit: str = "word", blocked: str | None = None, **changes: object
) -> Model:
    if blocked:
        (folder / "blocked.txt").write_text(blocked, encoding="utf-8")
    (folder / "text.txt").write_text("\n".join(sentences * 40) + "\n", encoding="utf-8")
    model = {"name": "text", "unit": unit, "sources": ["text"], "ngram": {"smoothing": "add_delta", "order": 4}}
    config = TrainingConfig.model_validate(
        {
            "name": "small",
            "work": "work",
            "text": [{"path": "text.txt"}],
            "screening": {"blocked_words": "blocked.txt"} if blocked else {},
            "publishing": {"registry": "registry"},
            "language_models": [{**model, **changes}],
        }
    )
    train(config, base=folder, reporter=SilentReporter())
    return open_model(Registry(folder / "registry").resolve("small"))


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return _trained(tmp_path_factory.mktemp("english"), ENGLISH, min_ghost_probability=0.6)


@pytest.fixture(scope="module")
def subwords(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return _trained(tmp_path_factory.mktemp("subwords"), ENGLISH, unit="subword", vocabulary_size=120)


def _first(model: Model, text: str) -> str:
    """The text with the first suggestion in it."""
    answer = model.predict_next_word(text)
    return text[: answer.replace_start] + answer.suggestions[0].text


WRITTEN = [
    ("congr", "Congress"),
    ("Congr", "Congress"),
    ("of CONGR", "of CONGRESS"),
    ("The United St", "The United States"),
    ("the united st", "the united States"),
    ("in some st", "in some states"),
    ("In some St", "In some States"),
    ("thank mr", "thank Mr."),
    ("of nas", "of NASA"),
    ("an iph", "an iPhone"),
    ("an iP", "an iPhone"),
    ("for Dr. mck", "for Dr. McKinley"),
    ("spe", "Speak"),
    ("may spe", "may speak"),
    ("may Spe", "may Speak"),
    ("and i", "and I"),
    ("WE THE PEO", "WE THE PEOPLE"),
    ("WE THE P", "WE THE PEOPLE"),
    ("THE CONGRESS OF ", "THE CONGRESS OF THE"),
    ("the u.s. sen", "the u.s. Senate"),
]


@pytest.mark.parametrize(("text", "written"), WRITTEN)
def test_words_are_written_as_in_the_text_and_as_typed(english: Model, text: str, written: str) -> None:
    assert _first(english, text) == written


@pytest.mark.parametrize(("text", "written"), [row for row in WRITTEN if "mr" not in row[0]])
def test_so_are_those_of_a_subword_model(subwords: Model, text: str, written: str) -> None:
    assert _first(subwords, text) == written


@pytest.mark.parametrize("end", [3, 5, 7])
def test_a_typed_capital_stays(english: Model, end: int) -> None:
    for word in ("people", "congress", "iphone", "mckinley", "states", "senate"):
        for typed in {word[:1].upper() + word[1:end], word[:end].upper(), word[:1] + word[1:end].upper()}:
            for suggestion in english.predict_next_word(f"he saw {typed}").suggestions:
                kept = zip(typed, suggestion.text, strict=False)
                assert all(letter == own for own, letter in kept if own.isupper()), (typed, suggestion.text)


def test_sentences_begin_as_in_the_text(english: Model) -> None:
    begins = {word.text for word in english.predict_next_word("We met. ", WordOptions(max_suggestions=20)).suggestions}
    assert {"The", "We", "In", "He", "It", "Speak"} <= begins
    assert not any(word.islower() for word in begins)
    goes_on = english.predict_next_word("We may thank Mr. ").suggestions[0].text
    assert goes_on == "Smith"
    assert "speak" in {word.text for word in english.predict_next_word("the people may ").suggestions}


@pytest.mark.parametrize("text", ["NASA ", "I ", "U.S. "])
def test_a_word_that_is_always_in_capitals_asks_for_no_capitals(english: Model, text: str) -> None:
    shown = english.predict_next_word(text).suggestions
    assert any(word.text.islower() for word in shown)


def test_ghost_text_is_the_rest_of_a_sure_word(english: Model) -> None:
    assert english.bundle.language_model("text").entry.min_ghost_probability == 0.6
    assert english.predict_next_word("The United St").ghost_text == "ates"
    assert english.predict_next_word("the united st").ghost_text == "ates"
    assert english.predict_next_word("WE THE PEO").ghost_text == "PLE"
    unsure = english.predict_next_word("the ")
    assert unsure.suggestions
    assert unsure.ghost_text == ""
    assert english.predict_next_word("the ", WordOptions(min_ghost_probability=0.0)).ghost_text != ""
    assert english.predict_next_word("The United Sta", WordOptions(min_ghost_probability=1.0)).ghost_text == ""
    assert english.predict_next_word("The United States").ghost_text == ""


@pytest.mark.parametrize("kind", ["english", "subwords"])
@pytest.mark.parametrize("beam_width", [1, 4])
def test_generated_text_is_written_so_too(kind: str, beam_width: int, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)

    def generated(prompt: str) -> str:
        options = GenerationOptions(temperature=0.0, beam_width=beam_width, max_output_tokens=60)
        return prompt + "".join(chunk.text for chunk in model.generate_text(prompt, options))

    assert generated("The Congress of the ").startswith("The Congress of the United States met in May.")
    assert generated("We may thank ").startswith("We may thank Mr. Smith of NASA for the people.")
    assert generated("THE CONGRESS OF ").startswith("THE CONGRESS OF THE UNITED STATES MET IN MAY.")
    assert generated("He left. ")[9].isupper()


def test_subwords_finish_a_typed_word(subwords: Model) -> None:
    options = GenerationOptions(temperature=0.0, max_output_tokens=60)
    for prompt, whole in (("The Congr", "The Congress of"), ("THE CONGR", "THE CONGRESS OF")):
        text = prompt + "".join(chunk.text for chunk in subwords.generate_text(prompt, options))
        assert text.startswith(whole)


@pytest.mark.parametrize("unit", ["word", "subword"])
def test_a_blocked_word_is_blocked_however_it_is_written(unit: str, tmp_path: Path) -> None:
    model = _trained(tmp_path, ENGLISH, unit=unit, vocabulary_size=120, blocked="congress\niphone\n")
    for text in ("Congr", "CONGR", "the congr", "an iPh", "an Iph"):
        shown = {word.text.lower() for word in model.predict_next_word(text).suggestions}
        assert not shown & {"congress", "iphone"}
        assert not model.predict_next_word(text, WordOptions(min_ghost_probability=0.0)).ghost_text.endswith("ess")
    for prompt in ("The ", "THE ", "He gave the people an "):
        for seed in range(3):
            chunks = model.generate_text(prompt, GenerationOptions(seed=seed, temperature=0.5))
            assert not {"congress", "iphone"} & set("".join(chunk.text for chunk in chunks).lower().split())


def test_german_nouns(tmp_path: Path) -> None:
    model = _trained(tmp_path, GERMAN)
    assert _first(model, "wir sehen das alte h") == "wir sehen das alte Haus"
    assert _first(model, "im w") == "im Wald"
    assert _first(model, "wir sehen das a") == "wir sehen das alte"


def test_turkish_letters(tmp_path: Path) -> None:
    model = _trained(tmp_path, TURKISH)
    assert _first(model, "İlk gün İst") == "İlk gün İstanbul"
    assert _first(model, "İlk gün ist") == "İlk gün İstanbul"
    assert _first(model, "gün İST") == "gün İSTANBUL"
    assert _first(model, "var GİB") == "var GİBİ"
    assert _first(model, "ışık ile il") == "ışık ile ilk"
    assert {word.text for word in model.predict_next_word("").suggestions} >= {"İlk", "İyi", "Işık"}


def test_a_text_without_capitals_teaches_none(tmp_path: Path) -> None:
    model = _trained(tmp_path, [sentence.lower() for sentence in ENGLISH])
    assert _first(model, "congr") == "congress"
    assert _first(model, "the united st") == "the united states"
    assert _first(model, "the united St") == "the united States"
    assert all(word.text.islower() for word in model.predict_next_word("").suggestions)


def test_a_script_without_capitals_is_as_it_was(tmp_path: Path) -> None:
    model = _trained(tmp_path, KOREAN)
    assert _first(model, "한국 여") == "한국 여행을"
    assert model.bundle.language_model("text").entry.writing.capital_begins is False  # type: ignore[union-attr]


@pytest.mark.parametrize("unit", ["word", "subword"])
def test_a_model_that_tells_case_apart_is_written_as_it_is(unit: str, tmp_path: Path) -> None:
    model = _trained(tmp_path, ["We met Congress in Washington."], unit=unit, lowercase=False)
    options = GenerationOptions(temperature=0.0, max_output_tokens=24)
    assert "".join(chunk.text for chunk in model.generate_text("We met", options)).startswith(" Congress in Washington")
