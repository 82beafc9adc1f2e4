"""Small data trains by itself: what the configuration leaves out suits itself to it, and a line says how."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from lm.bundle.manifest import LanguageModelEntry, read_manifest
from lm.errors import ConfigError
from suggest.model import open_model
from training.config import TrainingConfig
from training.pipeline import train
from training.progress import SilentReporter
from training.publish import Published

_SUBWORDS = {"name": "queries", "unit": "subword", "sources": ["queries"]}
_WORDS = {"name": "queries", "unit": "word", "sources": ["queries"]}
_TEN = ["red shoes", "blue shoes", "tv", "hp", "rain jacket", "coat", "sun hat", "gloves", "scarf", "boots"]


class _Notes(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def _train(folder: Path, models: list[dict[str, Any]], **sections: object) -> tuple[Published, str]:
    notes = _Notes()
    document = {"name": "small", "work": "work", "publishing": {"registry": "registry"}, "language_models": models}
    published = train(TrainingConfig.model_validate({**document, **sections}), base=folder, reporter=notes)
    return published, "\n".join(notes.lines)


def _entry(published: Published) -> LanguageModelEntry:
    return read_manifest(published.path).language_models[0]


def _catalogue(folder: Path, titles: list[str]) -> dict[str, object]:
    (folder / "titles.tsv").write_text("title\n" + "".join(f"{title}\n" for title in titles), encoding="utf-8")
    return {"catalogue": [{"path": "titles.tsv", "text_column": "title"}]}


def _log(folder: Path, counts: dict[str, int]) -> dict[str, object]:
    rows = "".join(f"{query}\t{count}\n" for query, count in counts.items())
    (folder / "log.tsv").write_text("query\tcount\n" + rows, encoding="utf-8")
    return {"query_log": [{"path": "log.tsv", "count_column": "count"}]}


@pytest.mark.parametrize("model", [_SUBWORDS, _WORDS], ids=["subword", "word"])
def test_one_title_is_enough(tmp_path: Path, model: dict[str, Any]) -> None:
    published, said = _train(tmp_path, [model], **_catalogue(tmp_path, ["Red Shoes"]))

    assert [each.display for each in open_model(published.path).complete_query("red").suggestions][:1] == ["Red Shoes"]
    assert "for order 5: order 4, that of the longest one" in said or model is _SUBWORDS
    assert "pieces in place of 4,000" in said or model is _WORDS
    assert "too few to hold any out" in said


@pytest.mark.parametrize("model", [_SUBWORDS, _WORDS], ids=["subword", "word"])
def test_ten_queries_are_enough(tmp_path: Path, model: dict[str, Any]) -> None:
    published, _ = _train(tmp_path, [model], **_log(tmp_path, {query: 40 + at for at, query in enumerate(_TEN)}))

    assert "rain jacket" in {each.text for each in open_model(published.path).complete_query("rai").suggestions}
    assert "tv" in {each.text for each in open_model(published.path).complete_query("t").suggestions}


def test_titles_of_which_no_word_stands_alone_are_enough(tmp_path: Path) -> None:
    sizes = itertools.product(["karma", "vento"], range(155, 255, 10), range(35, 75, 10), range(14, 19))
    titles = [f"{brand} {width}/{side} r{rim}" for brand, width, side, rim in sizes]
    model = {**_WORDS, "ngram": {"smoothing": "kneser_ney", "order": 3}}
    published, said = _train(tmp_path, [model], **_catalogue(tmp_path, titles))

    entry = _entry(published)
    assert (entry.ngram_smoothing, entry.ngram_order) == ("kneser_ney", 3)
    assert "queries: the training text has too few different n-grams to estimate discounts for order 3: KenLM's" in said


def test_what_is_set_is_kept(tmp_path: Path) -> None:
    sources = _log(tmp_path, dict.fromkeys(_TEN, 40))
    with pytest.raises(ConfigError, match=r"vocabulary_size: the training text does not hold 900 pieces"):
        _train(tmp_path, [{**_SUBWORDS, "vocabulary_size": 900}], **sources)
    strict = {"smoothing": "kneser_ney", "order": 3, "discount_fallback": False}
    with pytest.raises(ConfigError, match=r"queries\.ngram: the training text is too small .* order 3"):
        _train(tmp_path, [{**_WORDS, "ngram": strict}], **sources)
    published, _ = _train(tmp_path, [{**_WORDS, "ngram": {"discount_fallback": False}}], **sources)
    assert _entry(published).ngram_smoothing == "add_delta"
    published, _ = _train(tmp_path, [{**_WORDS, "ngram": {"order": 6}}], **sources)
    assert (_entry(published).ngram_smoothing, _entry(published).ngram_order) == ("kneser_ney", 6)
