"""A training configuration's mistakes are named by file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm.errors import ConfigError, InputError
from training.config import describe, load_config

_CONFIG = """
name = "search"

[[text]]
path = "speeches.txt"

[[query_log]]
path = "log.tsv"

[[language_models]]
name = "queries"
unit = "subword"
sources = ["queries", "text"]

[[language_models]]
name = "words"
unit = "word"
sources = ["text"]
ngram = { order = 3, prune = [0, 0, 1] }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "train.toml"
    path.write_text(_CONFIG, encoding="utf-8")
    return path


def test_a_configuration_is_read_with_its_defaults(path: Path) -> None:
    config = load_config(path)

    assert config.name == "search"
    assert [model.name for model in config.language_models] == ["queries", "words"]
    assert config.language_models[1].ngram.prune == (0, 0, 1)
    assert config.language_models[0].ngram.order == 5
    assert config.publishing.keep_versions == 3


def test_a_file_that_is_not_toml_is_named(path: Path) -> None:
    path.write_text("name: search\n", encoding="utf-8")
    for name, problem in (("none.toml", "no such file"), ("", "is a folder"), ("train.toml", "not valid TOML.*line 1")):
        with pytest.raises(InputError, match=problem):
            load_config(path.parent / name)
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(InputError, match="byte 8: not UTF-8"):
        load_config(path)


@pytest.mark.parametrize(
    ("good", "bad", "field"),
    [
        ('name = "search"', 'name = "search"\ncolour = "red"', "colour"),
        ('path = "speeches.txt"', 'path = "speeches.txt"\nlines = 3', "text.0.lines"),
        ("order = 3", "ordre = 3", "language_models.1.ngram.ordre"),
        ("order = 3", "order = 9", "language_models.1.ngram.order"),
        ("order = 3", 'smoothing = "good_turing"', "language_models.1.ngram.smoothing"),
        ("order = 3", "quantize_bits = 1", "language_models.1.ngram.quantize_bits"),
        ('unit = "word"', 'unit = "letter"', "language_models.1.unit"),
        ('name = "search"', 'name = "Search!"', "name"),
        ('name = "search"', "", "name"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(path: Path, good: str, bad: str, field: str) -> None:
    path.write_text(_CONFIG.replace(good, bad, 1), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).startswith(f"{path}: {field}: ")


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ('name = "words"', 'name = "queries"', "two have the same name"),
        ('name = "words"', 'name = "lexicon"', "language_models.lexicon.name: 'lexicon' is a folder of every bundle"),
        ('[[text]]\npath = "speeches.txt"', "", "language_models.queries.sources: there is no text"),
        ('[[query_log]]\npath = "log.tsv"', "", "there is no queries. Add a [[query_log]] or [[catalogue]] section"),
        ("[0, 0, 1]", "[0, 0, 1, 1]", "language_models.words.ngram.prune: more counts than orders"),
        ('name = "search"', 'name = "search"\ncounting.half_life_days = 30', "half_life_days: no query log has times"),
    ],
)
def test_fields_that_do_not_go_together(path: Path, good: str, bad: str, problem: str) -> None:
    path.write_text(_CONFIG.replace(good, bad), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["prune=[0, 1]", "smoothing=add_delta"], 'ngram.prune: is for smoothing = "kneser_ney", not "add_delta"'),
        (["prune=[]", "smoothing=stupid_backoff", "quantize_bits=8"], "ngram.quantize_bits: is for"),
        (["prune=[]", "smoothing=stupid_backoff", "delta=0.5"], 'ngram.delta: is for smoothing = "add_delta"'),
        (["delta=0.5"], 'ngram.delta: is for smoothing = "add_delta", not "kneser_ney"'),
        (["prune=[]", "order=1"], "ngram.order: `kneser_ney` has no order 1"),
    ],
)
def test_ngram_settings_that_do_not_go_together(path: Path, overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, [f"language_models.words.ngram.{override}" for override in overrides])

    assert str(caught.value).startswith(f"{path}: language_models.words.ngram.")
    assert problem in str(caught.value)


def test_a_smoothing_is_one_setting(path: Path) -> None:
    config = load_config(path, ["language_models.queries.ngram.smoothing=add_delta", "language_models.0.ngram.order=1"])

    assert (config.language_models[0].ngram.smoothing, config.language_models[0].ngram.order) == ("add_delta", 1)


def test_settings_override_the_file(path: Path) -> None:
    config = load_config(
        path,
        [
            "seed=7",
            "name=other",
            "publishing.keep_versions=9",
            "screening.min_users = 1",
            "language_models.words.ngram.order=4",
            "language_models.0.vocabulary_size=500",
            "language_models.words.ngram.prune=[0, 1]",
            "query_log.user_column=user",
            "query_log.time_column=time",
            "counting.half_life_days=30",
        ],
    )

    queries, words = config.language_models
    assert (config.seed, config.name, config.publishing.keep_versions) == (7, "other", 9)
    assert config.screening.min_users == 1
    assert (words.ngram.order, words.ngram.prune, queries.ngram.order) == (4, (0, 1), 5)
    assert (queries.vocabulary_size, words.vocabulary_size) == (500, 4000)
    assert config.query_log[0].user_column == "user"


def test_a_section_that_the_file_leaves_out_can_be_set(path: Path) -> None:
    config = load_config(path, ["language_models.words.neural.hidden_size=32"])

    assert config.language_models[0].neural is None
    assert config.language_models[1].neural is not None
    assert config.language_models[1].neural.hidden_size == 32


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("seed", "not `field=value`"),
        ("=3", "not `field=value`"),
        ("language_models.missing.unit=word", "no 'missing' there"),
        ("name.first=x", "name holds no fields"),
        ("language_models.words.sources.first=x", "sources holds no fields"),
        ("language_models.words.sources.0.first=x", "sources holds no fields"),
        ("colour=red", "colour"),
        ("seed=-1", "seed"),
    ],
)
def test_a_wrong_setting(path: Path, override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, [override])

    assert problem in str(caught.value)


def test_every_field_is_described() -> None:
    rows = {name: (default, text) for name, default, text in describe()}

    assert rows["language_models[].ngram.order"] == (
        "5",
        "Longest n-gram; `kneser_ney` takes 2 or more. Unset: fewer where texts are shorter.",
    )
    assert rows["name"][0] == "required"
    assert all(text for _, text in rows.values())


def test_recent_words_are_for_words(path: Path) -> None:
    assert load_config(path, ["language_models.words.recent_words=200"]).language_models[1].recent_words == 200
    with pytest.raises(ConfigError, match=r"language_models\.queries\.recent_words: its unit is subword"):
        load_config(path, ["language_models.queries.recent_words=200"])


def test_rerankers_are_for_queries_and_have_the_fields_of_the_neural_model_that_apply(path: Path) -> None:
    config = load_config(path, ['language_models.queries.reranker={kind = "gru", hidden_size = 128}'])
    reranker = config.language_models[0].reranker
    assert reranker is not None
    network = reranker.network()
    assert (network.kind, network.hidden_size, network.layers, network.carry_state) == ("gru", 128, 1, False)
    with pytest.raises(ConfigError, match=r"language_models\.words\.reranker: its first source is text"):
        load_config(path, ["language_models.words.reranker={}"])
    with pytest.raises(ConfigError, match=r"reranker\.carry_state"):
        load_config(path, ["language_models.queries.reranker={carry_state = true}"])
    with pytest.raises(ConfigError, match=r"reranker\.kind"):
        load_config(path, ["language_models.queries.reranker={kind = 'window'}"])


def test_a_neural_model_that_is_off_is_not_trained(path: Path) -> None:
    changes = ["language_models.queries.neural.layers=1", "language_models.queries.reranker.hidden_size=64"]
    both = load_config(path, changes).language_models[0]
    assert both.networks == (both.neural, both.reranker)
    alone = load_config(path, [*changes, "language_models.queries.neural.use=off"]).language_models[0]
    assert alone.networks == (both.reranker,)
    assert load_config(path).language_models[0].networks == ()


@pytest.mark.parametrize("part", ["neural", "reranker"])
def test_a_log_that_is_read_twice_must_be_there(path: Path, part: str) -> None:
    with pytest.raises(ConfigError, match=rf"queries\.{part}\.read_twice: no \[\[query_log\]\] has the name 'near'"):
        load_config(path, [f'language_models.queries.{part}.read_twice=["near"]'])


def test_a_log_is_not_read_twice_by_a_model_that_does_not_learn_it(path: Path) -> None:
    config = _CONFIG.replace('[[query_log]]\npath = "log.tsv"', '[[query_log]]\npath = "log.tsv"\nname = "near"')
    path.write_text(config, encoding="utf-8")
    load_config(path, ['language_models.queries.neural.read_twice=["near"]'])
    with pytest.raises(ConfigError, match=r"words\.neural\.read_twice: the model does not learn the log 'near'"):
        load_config(path, ['language_models.words.neural.read_twice=["near"]'])
