"""What people mean is found and comes first, however they type it: the whole way from files to lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lm.bundle.manifest import Ranking
from suggest.model import Model, open_model
from suggest.types import QueryOptions, SuggestionSource
from training.config import TrainingConfig
from training.fit.matching import fit_matching, typed_otherwise
from training.pipeline import train
from training.progress import SilentReporter

_TITLES = [
    "Ben & Jerry's Cookie Dough",
    "Hewlett-Packard LaserJet CF-283X",
    "The 5-Minute Journal",
    "AC/Heat Pump Filter",
    "Jalapeño Sauce",
    "Müsli Crunch",
    "Pixel 9 Pro Phone Case",
    "GTX 1660 Super",
    "Earbuds Pro 2",
    "Trail Running Boots for Men",
    "Trail Mix",
    "Desk Lamp",
    "Desk Lamp",
    "Office Chair",
    "Garden Hose",
    "Steel Water Bottle",
]
_MODEL = {"name": "queries", "unit": "subword", "sources": ["queries"]}
_NGRAM = {"smoothing": "add_delta", "order": 3}


def _train(folder: Path, size: int = 120, **parts: object) -> Model:
    document = {
        "name": "meant",
        "language_models": [{**_MODEL, "vocabulary_size": size, "ngram": _NGRAM}],
        "publishing": {"registry": "registry"},
        **parts,
    }
    published = train(TrainingConfig.model_validate(document), base=folder, reporter=SilentReporter())
    return open_model(published.path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("shop")
    rows = [f"{title}\t{99 - 4 * number}\tp{number}" for number, title in enumerate(_TITLES)]
    (folder / "titles.tsv").write_text("\n".join(["title\tweight\tsku", *rows]), encoding="utf-8")
    columns = {"text_column": "title", "weight_column": "weight", "payload_column": "sku"}
    return _train(folder, catalogue=[{"path": "titles.tsv", **columns}])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("log")
    words = ["cheap", "best", "new", "used", "green", "small", "large", "old"]
    things = ["kitchen table", "garden chair", "floor lamp", "wall clock", "door mat", "book shelf"]
    counts = {f"{word} {thing}": 3 + place for word in words for place, thing in enumerate(things)}
    counts |= {
        "crème brûlée torch": 20,
        "smörgåsbord": 20,
        "t-shirt printing": 20,
        "play station": 20,
        "niña": 5,
        "nina": 9,
    }
    counts |= {"chair cushions": 9, "lamp shade": 9}
    rows = [f"{query}\t{count}" for query, count in counts.items()]
    (folder / "log.tsv").write_text("\n".join(["query\tcount", *rows]), encoding="utf-8")
    return _train(
        folder,
        query_log=[{"path": "log.tsv", "count_column": "count"}],
        screening={"min_count": 1},
        held_out={"validation_fraction": 0.1, "test_fraction": 0.02},
    )


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("ben and jer", "Ben & Jerry's Cookie Dough"),
        ("ben jerrys", "Ben & Jerry's Cookie Dough"),
        ("hewlett packard", "Hewlett-Packard LaserJet CF-283X"),
        ("283x", "Hewlett-Packard LaserJet CF-283X"),
        ("packard", "Hewlett-Packard LaserJet CF-283X"),
        ("the 5 min", "The 5-Minute Journal"),
        ("heat pump", "AC/Heat Pump Filter"),
        ("ac heat", "AC/Heat Pump Filter"),
        ("jalapeno", "Jalapeño Sauce"),
        ("muesli", "Müsli Crunch"),
        ("musli", "Müsli Crunch"),
        ("pixel9", "Pixel 9 Pro Phone Case"),
        ("case pixel", "Pixel 9 Pro Phone Case"),
        ("gtx1660", "GTX 1660 Super"),
        ("ear buds", "Earbuds Pro 2"),
        ("trail boots", "Trail Running Boots for Men"),
        ("boots for trail", "Trail Running Boots for Men"),
        ("the trail run", "Trail Running Boots for Men"),
    ],
)
def test_the_title_comes_first(shop: Model, typed: str, title: str) -> None:
    first = shop.complete_query(typed).suggestions[0]
    assert first.display == title
    assert first.payload == f"p{_TITLES.index(title)}"


def test_generated_queries_come_after_all_titles(shop: Model) -> None:
    assert shop.bundle.manifest.generated == "fill"
    for typed in ("t", "tr", "p", "hea", "man", "desk l"):
        shown = shop.complete_query(typed, QueryOptions(max_suggestions=20)).suggestions
        sources = [suggestion.source is SuggestionSource.GENERATED for suggestion in shown]
        assert sources == sorted(sources)


def test_of_one_title_each_entry_is_listed(shop: Model) -> None:
    shown = shop.complete_query("lamp").suggestions
    assert [(each.display, each.payload) for each in shown[:2]] == [("Desk Lamp", "p11"), ("Desk Lamp", "p12")]
    assert shown[0].log_prob >= shown[1].log_prob


def test_a_short_list_is_the_beginning_of_a_long_one(shop: Model) -> None:
    for typed in ("", "d", "p"):
        full = shop.complete_query(typed, QueryOptions(max_suggestions=10)).suggestions
        for size in range(1, 10):
            assert shop.complete_query(typed, QueryOptions(max_suggestions=size)).suggestions == full[:size]


@pytest.mark.parametrize("typed", ["gtx 1660 super", "GTX 1660 Super ", "ac/heat pump filter"])
def test_a_title_that_was_typed_to_its_end_is_listed(shop: Model, typed: str) -> None:
    first = shop.complete_query(typed).suggestions[0]
    assert first.display.lower() == typed.lower().rstrip()
    assert first.payload
    assert [first.display[start:end] for start, end in first.typed] == [first.display]


def test_titles_keep_the_order_of_their_weights(tmp_path: Path) -> None:
    days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    times = {f"Minutes of {day}": 1_700_000_000 + 86_400 * ((5 * place) % 7) for place, day in enumerate(days)}
    rows = [f"{title}\t{time}" for title, time in times.items()]
    (tmp_path / "titles.tsv").write_text("\n".join(["title\ttime", *rows]), encoding="utf-8")
    model = _train(tmp_path, 80, catalogue=[{"path": "titles.tsv", "text_column": "title", "weight_column": "time"}])
    for typed in ("min", "minutes o", "day minutes", "of "):
        shown = [each.display for each in model.complete_query(typed).suggestions if each.display in times]
        assert shown == sorted(shown, key=lambda title: -times[title])
    assert [each.display for each in model.complete_query("minutes").suggestions[:7]] == sorted(
        times, key=times.__getitem__
    )[::-1]


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("creme brulee", "crème brûlée torch"),
        ("smorgas", "smörgåsbord"),
        ("smoergaas", "smörgåsbord"),
        ("t shirt", "t-shirt printing"),
        ("playstation", "play station"),
    ],
)
def test_a_query_of_the_log_comes_before_made_up_ones(log: Model, typed: str, query: str) -> None:
    assert log.bundle.manifest.generated == "mix"
    answer = log.complete_query(typed)
    assert answer.suggestions[0].text == query


@pytest.mark.parametrize("typed", ["torch creme", "brul", "torch"])
def test_a_query_of_the_log_is_found_by_its_later_words(log: Model, typed: str) -> None:
    assert "crème brûlée torch" in [each.text for each in log.complete_query(typed).suggestions[:3]]


def test_typed_marks_prefer_their_own(log: Model) -> None:
    def listed(typed: str) -> list[str]:
        texts = [each.text for each in log.complete_query(typed).suggestions]
        return [text for text in texts if text in ("niña", "nina")]

    assert listed("niñ")[0] == "niña"
    assert listed("nin")[0] == "nina"


@pytest.mark.parametrize("typed", ["cushions ch", "shade", "mat door", "chair"])
def test_what_begins_as_typed_has_the_same_order_without_the_others(log: Model, typed: str) -> None:
    shown = log.complete_query(typed, QueryOptions(max_suggestions=20)).suggestions
    index = log.bundle.queries
    assert index is not None
    logged = [each.text for each in shown if index.count(each.text)]
    found = [match.text for match in index.word_matches(typed, 20)]
    assert set(logged) <= set(found)
    begins = [text for text, _ in index.completions(typed, 20)[0]]
    assert [text for text in logged if text in begins] == [text for text in begins if text in logged]


def test_the_weights_are_fitted_to_other_ways_of_typing(log: Model) -> None:
    queries = [text for text, _ in log.bundle.queries.completions("", 60)[0]] if log.bundle.queries else []
    fitted = fit_matching(log.bundle, queries, 1, SilentReporter())
    assert all(weight >= 0 for weight in fitted.matching)
    assert fitted.matching != Ranking().matching
    assert fitted.model_copy(update={"matching": log.bundle.manifest.ranking.matching}) == log.bundle.manifest.ranking
    assert fit_matching(log.bundle, queries, 1, SilentReporter()) == fitted
    assert fit_matching(log.bundle, [], 1, SilentReporter()) == log.bundle.manifest.ranking


def test_a_query_is_typed_in_all_the_other_ways() -> None:
    drawn = np.random.default_rng(0)
    found = {typed_otherwise("crème-brûlée torch 2000", drawn) for _ in range(400)}
    assert "" in found  # a beginning of the query, typed as it is
    assert any(text.startswith("creme brulee") for text in found)
    assert all(text not in "crème-brûlée torch 2000" or text.startswith(("t", "2")) for text in found if text)
    assert any(text.startswith("cremebrulee") for text in found)
    assert any(text.startswith("torch") for text in found)
    assert any(text.startswith("2000 ") for text in found)


@pytest.fixture(scope="module", params=["word", "subword"])
def few(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A few titles of one weight, with what is trained where nothing else is set."""
    folder = tmp_path_factory.mktemp("few")
    (folder / "titles.txt").write_text("\n".join(dict.fromkeys(_TITLES)), encoding="utf-8")
    models = [{**_MODEL, "unit": request.param}]
    return _train(folder, catalogue=[{"path": "titles.txt"}], language_models=models)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("ac/heat pupm", "AC/Heat Pump Filter"),
        ("the 5-minute jounral", "The 5-Minute Journal"),
        ("stel water", "Steel Water Bottle"),
        ("stel w", "Steel Water Bottle"),
    ],
)
def test_typing_errors_are_mended_by_a_few_titles(few: Model, typed: str, title: str) -> None:
    assert few.complete_query(typed).suggestions[0].display == title
