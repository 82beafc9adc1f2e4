"""What Korean, Chinese, Japanese and Thai typists get from small bundles that are really trained."""

from __future__ import annotations

import numpy as np
import pytest

from lm.models.parts import Part
from lm.models.vocabulary import END, SPACE
from lm.text.hangul import typed_prefixes
from suggest.decode import complete_word
from suggest.model import Model
from suggest.types import FinishReason, GenerationOptions, QueryOptions, SuggestionSource, WordOptions
from tests.script_bundles import (
    CHINESE_QUERIES,
    CHINESE_SENTENCES,
    JAPANESE_QUERIES,
    JAPANESE_SENTENCES,
    KOREAN_QUERIES,
    KOREAN_SENTENCES,
    THAI_QUERIES,
    THAI_SENTENCES,
    korean_bundle,
    subword_bundle,
)
from tests.two_set_keyboard import displays, keys_of


@pytest.fixture(scope="module")
def korean(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return korean_bundle(tmp_path_factory.mktemp("korean"))


@pytest.fixture(scope="module")
def korean_subwords(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return subword_bundle(tmp_path_factory.mktemp("korean"), KOREAN_SENTENCES, KOREAN_QUERIES, 200)


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return subword_bundle(tmp_path_factory.mktemp("chinese"), CHINESE_SENTENCES, CHINESE_QUERIES, 90)


@pytest.fixture(scope="module")
def japanese(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return subword_bundle(tmp_path_factory.mktemp("japanese"), JAPANESE_SENTENCES, JAPANESE_QUERIES, 90)


@pytest.fixture(scope="module")
def thai(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return subword_bundle(tmp_path_factory.mktemp("thai"), THAI_SENTENCES, THAI_QUERIES, 90)


def _queries(model: Model, typed: str, source: SuggestionSource | None = None) -> list[str]:
    found = model.complete_query(typed, QueryOptions(max_suggestions=20, min_acceptance_prob=0.0)).suggestions
    return [suggestion.text for suggestion in found if source in (None, suggestion.source)]


def _words(model: Model, text: str) -> list[str]:
    """The whole texts that the suggestions make."""
    answer = model.predict_next_word(text, WordOptions(max_suggestions=10))
    return [text[: answer.replace_start] + word.text for word in answer.suggestions]


def _continued(model: Model, prompt: str) -> str:
    options = GenerationOptions(temperature=0.0, max_output_tokens=24)
    return "".join(chunk.text for chunk in model.generate_text(prompt, options))


@pytest.mark.parametrize(
    "query", ["한국 음식", "장바구니", "값싼 과자", "닭갈비 맛집", "없다 뜻", "괴물 영화", "ㅋㅋ 뜻"]
)
def test_a_query_is_offered_at_every_keystroke(korean: Model, query: str) -> None:
    first, _, rest = query.partition(" ")
    shown = [*displays(keys_of(first))]
    shown += [f"{first} {typed}" for typed in (displays(keys_of(rest)) if rest else [])]
    for typed in shown[:-1]:
        assert query in _queries(korean, typed, SuggestionSource.LOG), typed


@pytest.mark.parametrize(
    ("typed", "best"),
    [
        ("ㅎ", "한국 음식"),
        ("하", "한국 음식"),
        ("한", "한국 음식"),
        ("장바ㄱ", "장바구니"),
        ("ㅋㅋ", "ㅋㅋ 뜻"),
        ("\u1112", "한국 음식"),
    ],
)
def test_the_most_popular_query_in_the_making_is_first(korean: Model, typed: str, best: str) -> None:
    assert _queries(korean, typed)[0] == best


@pytest.mark.parametrize("typed", ["ㅎ", "하", "한", "장바ㄱ", "닭", "값ㅆ", "고", "ㅋ", "한국 ㅇ"])
def test_a_korean_list_holds_what_is_promised(korean: Model, typed: str) -> None:
    answer = korean.complete_query(typed, QueryOptions(max_suggestions=20, min_acceptance_prob=0.0))
    scores = [suggestion.log_prob for suggestion in answer.suggestions]
    assert scores == sorted(scores, reverse=True)
    assert np.exp(scores).sum() <= 1.001
    assert {suggestion.source for suggestion in answer.suggestions} == {
        SuggestionSource.LOG,
        SuggestionSource.GENERATED,
    }
    texts = [suggestion.text for suggestion in answer.suggestions]
    assert len(set(texts)) == len(texts)
    assert korean.bundle.queries is not None
    matches = {match.text for match in korean.bundle.queries.word_matches(typed, 100)}
    for suggestion in answer.suggestions:
        begins = any(prefix.begins(suggestion.text) for prefix in typed_prefixes(typed))
        assert begins or suggestion.text in matches
        assert suggestion.terms.ngram_log_prob is not None or suggestion.source is SuggestionSource.LOG


@pytest.mark.parametrize(
    ("typed", "text", "length"),
    [
        ("ㅎ", "한국 음식", 0),
        ("하", "한국 음식", 0),
        ("하", "하나은행", 1),
        ("한", "한국 음식", 1),
        ("한", "하나은행", 1),
        ("장바ㄱ", "장바구니", 2),
        ("닭", "달걀 요리", 1),
        ("한국 ㅇ", "한국 음식", 3),
        ("ㅋㅋ", "ㅋㅋ 뜻", 2),
    ],
)
def test_a_syllable_is_typed_once_it_is_as_shown(korean: Model, typed: str, text: str, length: int) -> None:
    found = {suggestion.text: suggestion.typed for suggestion in korean.complete_query(typed).suggestions}
    assert found[text] == (((0, length),) if length else ())


def test_the_sign_that_vocabularies_spell_a_space_with_is_no_space(korean: Model) -> None:
    answer = korean.complete_query("▁")
    assert (answer.normalized_query, answer.suggestions) == ("_", ())


def test_the_typed_probability_is_that_of_all_ways(korean: Model) -> None:
    """Generated ones: given `ㅎ`, the models expect what they expect of words that begin so."""
    words = korean.bundle.language_model("text")
    log_probs = words.next_log_probs((), Part.ENSEMBLE).astype(np.float64)
    ways = [words.vocabulary.typed_range(prefix) for prefix in typed_prefixes(SPACE + "한")]
    tokens = [token for low, high in ways for token in range(low, high)]
    given = np.logaddexp.reduce(log_probs[tokens])
    best = sorted((-log_probs[token], token) for token in tokens)

    found = complete_word(words, (), "한", 10, Part.ENSEMBLE)

    assert len(ways) == 2
    assert [hypothesis.tokens for hypothesis in found] == [(token,) for _, token in best]
    assert [hypothesis.log_prob for hypothesis in found] == pytest.approx([-cost - given for cost, _ in best], abs=1e-4)


@pytest.mark.parametrize(
    ("typed", "word"), [("ㅎ", "한국"), ("하", "한국"), ("한", "한국"), ("값ㅆ", "값싼"), ("닭ㄱ", "닭갈비")]
)
@pytest.mark.parametrize("before", ["", "오늘은 ", "어제. "])
def test_korean_words_complete(korean: Model, korean_subwords: Model, before: str, typed: str, word: str) -> None:
    for model in (korean, korean_subwords):
        assert f"{before}{word}" in _words(model, before + typed)


@pytest.mark.parametrize("typed", ["장바ㄱ", "장박", "\u110c\u1161\u11bc\u1107\u1161"])
def test_subwords_complete_korean_words_of_several_pieces(korean_subwords: Model, typed: str) -> None:
    answer = korean_subwords.predict_next_word(typed)
    assert {"장바구니", "장바구니에"} <= {word.text for word in answer.suggestions}
    assert answer.replace_start == 0
    assert np.exp([word.log_prob for word in answer.suggestions]).sum() <= 1.001


def test_lone_letters_are_words_too(korean: Model, korean_subwords: Model) -> None:
    assert _words(korean, "ㅋ") == ["ㅋㅋ"]
    assert _words(korean_subwords, "ㅋㅋ")[0] == "ㅋㅋ"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [("오늘은 한", "국 음식을 먹었어요."), ("오늘은", " 한국 음식을 먹었어요."), ("값", "싼 과자를 많이 샀어요.")],
)
def test_generated_korean_goes_on_where_the_prompt_ends(korean_subwords: Model, prompt: str, text: str) -> None:
    assert _continued(korean_subwords, prompt) == text


def test_generated_text_leaves_the_prompt_as_it_is(korean: Model, korean_subwords: Model) -> None:
    assert _continued(korean_subwords, "오늘은 하").startswith("나")  # not `한`: what is there cannot be replaced
    for model in (korean, korean_subwords):
        for prompt in ("오늘은 ㅎ", "ㅎ", "한ㄱ"):
            beam = GenerationOptions(beam_width=3, max_output_tokens=8)
            *_, last = model.generate_text(prompt, beam)
            assert last.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)
            assert _continued(model, prompt) == _continued(model, prompt)


@pytest.mark.parametrize(
    ("language", "typed", "query"),
    [
        ("chinese", "天", "天气预报"),
        ("chinese", "北京大", "北京大学"),
        ("japanese", "日本", "日本語"),
        ("japanese", "東京タ", "東京タワー"),
        ("japanese", "ｺｰﾋ", "コーヒー豆"),
        ("thai", "กร", "กรุงเทพ"),
        ("thai", "ข้", "ข้าวผัด"),
        ("thai", "น้ํา", "น้ำตก"),
    ],
)
def test_queries_without_spaces_complete(request: pytest.FixtureRequest, language: str, typed: str, query: str) -> None:
    model: Model = request.getfixturevalue(language)
    assert query in _queries(model, typed, SuggestionSource.LOG)
    assert _queries(model, typed, SuggestionSource.GENERATED)


@pytest.mark.parametrize(
    ("language", "text", "whole"),
    [
        ("chinese", "", "今天天气"),
        ("chinese", "今天", "今天天气"),
        ("chinese", "我们去北京", "我们去北京大学"),
        ("chinese", "我们去北京大", "我们去北京大学"),
        ("chinese", "他说明天天气很冷、", "他说明天天气很冷、不想"),
        ("chinese", "今天天气很好。我喜", "今天天气很好。我喜欢"),
        ("chinese", "今天天气很好。", "今天天气很好。今天"),
        ("chinese", "龘我们去北京大", "龘我们去北京大学"),
        ("japanese", "今日は天", "今日は天気"),
        ("japanese", "コーヒーを飲みながら日本", "コーヒーを飲みながら日本語"),
        ("japanese", "ｶﾞ!東京ﾀ", "ｶﾞ!東京タワー"),
        ("thai", "วันนี้อา", "วันนี้อากาศ"),
        ("thai", "ฉันก", "ฉันกำลัง"),
        ("thai", "น้ำในแม่น", "น้ำในแม่น้ำ"),
    ],
)
def test_a_stretch_without_spaces_goes_on_from_the_cursor(
    request: pytest.FixtureRequest, language: str, text: str, whole: str
) -> None:
    model: Model = request.getfixturevalue(language)
    answer = model.predict_next_word(text, WordOptions(max_suggestions=5))
    texts = [text[: answer.replace_start] + word.text for word in answer.suggestions]
    assert any(each.startswith(whole) for each in texts), texts
    assert np.exp([word.log_prob for word in answer.suggestions]).sum() <= 1.001
    assert all(len(each) > len(text) for each in texts)


def test_only_the_last_pieces_of_a_long_stretch_are_replaced(chinese: Model) -> None:
    stretch = "我们去北京大学学习" * 40
    answer = chinese.predict_next_word(stretch + "我们去北京大")
    assert answer.replace_start >= len(stretch)
    assert answer.suggestions[0].text.startswith((stretch + "我们去北京大学")[answer.replace_start :])


@pytest.mark.parametrize(
    ("language", "prompt", "text"),
    [
        ("chinese", "我们去北", "京大学学习。"),
        ("chinese", "今天天气很好。我喜", "欢吃北京烤鸭。"),
        ("chinese", "今天天气很好。", "今天天气很好。"),
        ("japanese", "今日は", "天気がいいです。"),
        ("thai", "ฉันกำลังไปโ", "รงเรียน"),
    ],
)
def test_generated_text_goes_on_without_a_space(
    request: pytest.FixtureRequest, language: str, prompt: str, text: str
) -> None:
    assert _continued(request.getfixturevalue(language), prompt) == text


def test_a_text_without_spaces_is_scored_piece_by_piece(thai: Model, chinese: Model) -> None:
    for model, text in ((thai, "ฉันชอบกินข้าวผัด"), (chinese, "天气预报今天北京abc")):
        language_model = model.bundle.language_model("text")
        tokens = [*language_model.tokenizer.encode(text), END]
        score = model.score_text(text)
        *pieces, end = (each.token for each in score.token_scores)
        assert "".join(pieces).startswith(text.removesuffix("abc"))
        assert "" not in pieces
        assert end == "</s>"
        assert len(pieces) > 1
        assert score.log_prob == pytest.approx(
            float(language_model.token_log_probs(tokens)[Part.ENSEMBLE].sum()), abs=1e-4
        )
