"""A log with a catalogue beside it: where suggestions come from, and who says how much is generated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lm.bundle.registry import Registry
from suggest.model import Model, open_model
from suggest.types import Generated, QueryOptions, QuerySuggestion, SuggestionSource
from training.config import TrainingConfig
from training.evaluation.query_benchmark import query_completion
from training.pipeline import train
from training.progress import SilentReporter

_BRANDS = ["Apple iPhone", "Samsung Galaxy", "Sony Walkman", "LEGO Technic", "Bosch Professional"]
_THINGS = ["Case", "Charger", "Leather Cover", "Spare Parts", "Gift Box", "Holder", "Poster", "Bag"]
_TITLES = [f"{brand} {thing}" for brand in _BRANDS for thing in _THINGS]
_WANTS = ["cheap", "used", "new", "best", "small", "large", "red", "blue"]
_QUERIES = [f"{want} {thing.lower()}" for want in _WANTS for thing in _THINGS] + ["apple iphone case", "sony walkman"]

Train = Callable[..., Model]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop")
    lines = [query for number, query in enumerate(_QUERIES) for _ in range(5 + number % 9)]
    (made / "log.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows = (f"{title}\t{50_000 + 1000 * number}\t{number}\n" for number, title in enumerate(_TITLES))  # pieces in stock
    (made / "titles.tsv").write_text("text\tstock\tsku\n" + "".join(rows), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def trained(folder: Path) -> Train:
    """Trains with other settings; the folder of work keeps the steps that are the same."""

    def make(**fields: object) -> Model:
        ngram = {"smoothing": "add_delta", "order": 4}
        model = {"name": "queries", "unit": "subword", "sources": ["queries"], "vocabulary_size": 160, "ngram": ngram}
        document = {
            "name": "shop",
            "query_log": [{"path": "log.txt"}],
            "catalogue": [{"path": "titles.tsv", "weight_column": "stock", "payload_column": "sku"}],
            "language_models": [model],
            "publishing": {"registry": "registry"},
            **fields,
        }
        config = TrainingConfig.model_validate(document)
        train(config, base=folder, reporter=SilentReporter(), activate=True)
        return open_model(Registry(folder / "registry").resolve("shop"))

    return make


@pytest.fixture(scope="module")
def model(trained: Train) -> Model:
    return trained()


def _listed(model: Model, query: str, generated: Generated | None = None) -> tuple[QuerySuggestion, ...]:
    options = QueryOptions(max_suggestions=20, generated=generated, min_acceptance_prob=0.0)
    return model.complete_query(query, options).suggestions


def test_a_suggestion_says_whether_it_is_a_title_or_a_query(model: Model) -> None:
    found = {each.text: (each.source, each.payload) for each in _listed(model, "apple iphone ", Generated.OFF)}

    assert found["apple iphone case"] == (SuggestionSource.CATALOGUE, "0")  # in the log too
    assert found["apple iphone gift box"] == (SuggestionSource.CATALOGUE, "4")
    assert {source for source, _ in found.values()} == {SuggestionSource.CATALOGUE}
    queries = _listed(model, "cheap ", Generated.OFF)
    assert {(each.source, each.payload) for each in queries} == {(SuggestionSource.LOG, "")}


def test_an_empty_box_opens_with_queries_whatever_the_unit_of_the_weights(model: Model) -> None:
    first = model.complete_query("").suggestions

    assert all(each.text in _QUERIES for each in first)
    assert sum(each.source is SuggestionSource.LOG for each in first) >= 9


def test_a_request_chooses_what_the_model_has_chosen_otherwise(model: Model, trained: Train) -> None:
    prefixes = ("", "ch", "us", "apple", "bosch ", "le", "new ")
    models = [model, *(trained(generated=setting) for setting in ("off", "fill", "mix"))]
    assert [each.bundle.manifest.generated for each in models] == ["mix", "off", "fill", "mix"]

    by_model = [[_listed(each, prefix) for prefix in prefixes] for each in models]
    by_request = [
        [_listed(each, prefix, generated) for prefix in prefixes]
        for each in models
        for generated in (Generated.OFF, Generated.FILL, Generated.MIX)
    ]
    assert by_model == [by_request[2], *by_request[:3]]
    assert by_request == by_request[:3] * len(models)
    assert any(each.source is SuggestionSource.GENERATED for listed in by_request[2] for each in listed)


def test_off_generates_nothing_and_fill_generates_at_the_end(model: Model) -> None:
    generated = SuggestionSource.GENERATED
    for prefix in ("c", "a", "s", "le", "new", "new ", "bo", "red l"):
        off, fill, mix = (_listed(model, prefix, each) for each in (Generated.OFF, Generated.FILL, Generated.MIX))
        known = [each.text for each in fill if each.source is not generated]
        places = [each.source is generated for each in fill]

        assert all(each.source is not generated for each in off)
        assert known == [each.text for each in off]
        assert places == sorted(places)
        assert {each.text for each in mix if each.source is not generated} <= set(known)


def test_the_floor_can_be_set_and_figures_are_told_by_source(trained: Train) -> None:
    model = trained(min_probability=0.125)

    assert model.bundle.manifest.ranking.floor == 0.125
    calibration = query_completion(model.bundle, _QUERIES[:20] + _TITLES[:20], SilentReporter())["calibration"]
    assert sum(each["shown"] for each in calibration["by_source"].values()) == calibration["shown"]
    assert calibration["by_source"].keys() >= {"history", "catalogue"}
    assert model.bundle.manifest.metrics["data"]["queries"]["catalogue"]["weight_factor"] < 1e-3
