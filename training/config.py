"""The training configuration: one TOML file. Paths are relative to its folder.

Each field has a description here. `autocomplete train --help` and the reference in the documentation print them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from lm.bundle.bundle import OWN_FOLDERS
from lm.errors import ConfigError
from lm.models.ngram import Smoothing
from lm.toml_file import read_toml
from training.config_log import Counting, QueryLogSource
from training.config_networks import NeuralConfig, RerankerConfig
from training.config_section import Section


class TextSource(Section):
    """Running text: `.txt` (a paragraph a line), a table, JSON or Parquet, each also as `.gz`, `.xz` or `.zst`."""

    path: str = Field(description="File, or pattern such as `speeches/*.txt`.")
    column: str = Field("text", description="Column (of a table) or field (of JSON) that holds the text.")
    part: Literal["split", "train", "validation", "test"] = Field(
        "split",
        description="What the text is used for. `split` holds out some blocks of sentences and trains on the rest.",
    )
    sentences: Literal["split", "lines"] = Field(
        "split", description="`split` finds the sentences of each paragraph. `lines` takes each line as a sentence."
    )
    screened: bool = Field(
        True,
        description="Drop sentences that hold personal data or keys. Set it to false for a published corpus that must"
        " be measured whole.",
    )
    max_lines: int | None = Field(None, ge=1, description="Read at most this many lines of each file.")


class CatalogueSource(Section):
    """Titles or products with weights: `.txt` (a title a line), a table, JSON or Parquet. They can replace a log."""

    path: str = Field(description="File, or pattern.")
    text_column: str = Field("text", description="Column that holds the title. Suggestions show it as it is written.")
    weight_column: str | None = Field(
        None,
        description="Column that says how often an entry is wanted, like a log's counts. Unset: every entry weighs 1."
        " An entry of weight 0 is dropped.",
    )
    payload_column: str | None = Field(
        None, description="Column that answers return with the entry, such as an identifier or JSON."
    )
    tags_column: str | None = Field(
        None,
        description="Column with the entry's tags, which requests may filter by: a list in JSON and Parquet, else text"
        " with `tags_separator` between them. At most 32 of at most 64 characters.",
    )
    tags_separator: str = Field(",", min_length=1, max_length=4, description="What stands between two tags.")
    hits_column: str | None = Field(
        None,
        description="Column that says how much an entry finds where it leads to. One that finds nothing (0) is dropped,"
        " and its text is not suggested from a log or by a model either. An empty field says nothing.",
    )


class Screening(Section):
    """Which queries of the log may enter the index and the models. Catalogues are not screened unless asked."""

    min_users: int = Field(
        3,
        ge=1,
        description="Index a query only if this many different users typed it. For logs with a user column; rows"
        " without a user do not count.",
    )
    min_count: int = Field(
        2, ge=1, description="Index a query only if it was typed this many times. For logs without a user column."
    )
    model_min_users: int | None = Field(
        None, ge=1, description="Like `min_users`, for what the language models learn. Unset: the same."
    )
    model_min_count: int | None = Field(
        None, ge=1, description="Like `min_count`, for what the language models learn. Unset: the same."
    )
    min_word_count: int = Field(
        1,
        ge=1,
        description="Generated queries hold only words that log and text together have this many times. Words of a"
        " catalogue exist anyway.",
    )
    min_length: int = Field(2, ge=1, description="Drop shorter queries (code points).")
    max_length: int = Field(100, ge=8, le=256, description="Drop longer queries (code points).")
    catalogue: bool = Field(
        False,
        description="Screen the entries of catalogues too: drop those that hold blocked words or look private, such as"
        " a part number that may be a phone's, and those that are longer than `max_length`.",
    )
    blocked_words: str | None = Field(
        None,
        description="File of words and phrases that are never suggested, one a line. They are added to the built-in"
        " English lists. `~word` is suggested only in what a log or a catalogue has, `^word` is an insult that is never"
        " generated beside such a word, `!word` is taken off the lists. `word*`, `*word` and `*word*` stand for all"
        " words that begin so, end so or hold it, `a|b people` for two phrases.",
    )


class Duplicates(Section):
    """Which queries count as the same. A list shows only the most popular form."""

    collapse: tuple[Literal["accents", "punctuation", "plural", "word_order", "spacing"], ...] = Field(
        ("accents", "punctuation", "plural", "word_order", "spacing"),
        description="Differences to ignore. Plurals are English ones, accents those of Latin letters; `spacing` is"
        " `map quest` and `mapquest`. Another number, unit or order of numbers is always another query, and entries of"
        " a catalogue never collapse.",
    )
    plural_ratio: float = Field(
        3.0,
        ge=1,
        description="A singular or plural is hidden only if the other form is this many times as popular.",
    )


class HeldOut(Section):
    """What is kept out of training: `validation` tunes the weights, `test` measures the result."""

    validation_fraction: float = Field(0.04, gt=0, lt=0.5, description="Share of the lines that tunes the weights.")
    test_fraction: float = Field(0.04, gt=0, lt=0.5, description="Share of the lines that measures the result.")
    max_queries: int = Field(
        4000, ge=10, description="At most this many queries in each part, and at most a twentieth of that of one query."
    )
    max_sentences: int = Field(20000, ge=10, description="At most this many sentences in each part.")
    query_log: str | None = Field(
        None,
        description="Name of the query logs to draw held-out queries from: those most like what people will type."
        " Unset: all logs.",
    )


class NgramConfig(Section):
    """N-gram model: modified Kneser-Ney by KenLM, or a simpler smoothing. What is not set here suits itself to a small
    text, with a line that says how; what is set is kept, or training ends."""

    smoothing: Smoothing = Field(
        "kneser_ney",
        description="`kneser_ney` (modified, by KenLM), `add_delta` (Lidstone's) or `stupid_backoff` (normalised).",
    )
    order: int = Field(
        5, ge=1, le=6, description="Longest n-gram; `kneser_ney` takes 2 or more. Unset: fewer where texts are shorter."
    )
    delta: float = Field(0.003, gt=0, le=10, description="What `add_delta` adds to every count.")
    prune: tuple[int, ...] = Field(
        (),
        description="For each order, drop n-grams with this count or a lower one. Empty keeps all (`kneser_ney`).",
    )
    quantize_bits: int | None = Field(
        None,
        ge=2,
        le=16,
        description="Bits of each probability and back-off weight in KenLM's file. Unset keeps all 32. With fewer bits"
        " the probabilities sum to 1 only roughly (`kneser_ney`).",
    )
    discount_fallback: bool = Field(
        False,
        description="Take fixed discounts for an order of which the text has too few different n-grams to estimate"
        " them. Unset: only where nothing else trains (`kneser_ney`).",
    )
    memory: str = Field("1G", pattern=r"^\d+[MG]$", description="Memory that `lmplz` may use to sort.")


class LanguageModelConfig(Section):
    """A language model: a unit with its vocabulary, an n-gram model, a neural model and their mixture."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$", description="Its name in the bundle.")
    unit: Literal["word", "subword"] = Field(
        description="`subword` completes queries, and text without spaces between words. `word` completes text."
    )
    sources: tuple[Literal["text", "queries"], ...] = Field(
        min_length=1, description="What it learns from. Held-out data of the first one tunes and measures it."
    )
    query_logs: tuple[str, ...] = Field(
        (),
        description="Names of the query logs that it learns from, for example only the log nearest to what people will"
        " type. Empty: all logs and the catalogue.",
    )
    vocabulary_size: int = Field(
        4000,
        ge=64,
        description="Number of words (the most frequent ones) or of BPE pieces. Unset: what the text allows, if that is"
        " another number of pieces.",
    )
    min_count: int = Field(1, ge=1, description="Rarer words are treated as unknown (unit `word`).")
    lowercase: bool = Field(
        True,
        description="Fold case, in training and in look-ups. What learns text remembers how words are written, and"
        " suggests them so.",
    )
    pretokenized: bool = Field(False, description="Only spaces separate words, as in published corpora (unit `word`).")
    ngram: NgramConfig = Field(default_factory=NgramConfig)
    neural: NeuralConfig | None = Field(None, description="Unset: the model is an n-gram model alone.")
    reranker: RerankerConfig | None = Field(None, description="Unset: none. For models of queries only.")
    ghost_precision: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="Share of ghost text (the rest of the best word, in grey behind the cursor) that shall be right. It"
        " is shown from the probability on that reaches this on held-out text, before the first letter of a word as"
        " well as inside words. For the model that completes text.",
    )
    min_ghost_probability: float | None = Field(
        None, ge=0, le=1, description="Show ghost text from this probability on, whatever `ghost_precision` says."
    )
    recent_words: int = Field(
        0,
        ge=0,
        le=10000,
        description="Number of words of the same text to remember and make more probable, if that predicts held-out"
        " text better. 0: none (unit `word`).",
    )

    @property
    def networks(self) -> tuple[NeuralConfig | RerankerConfig, ...]:
        """The networks that are trained, in this order."""
        neural = None if self.neural is None or self.neural.use == "off" else self.neural
        return tuple(network for network in (neural, self.reranker) if network is not None)


class Publishing(Section):
    """Where bundles go and how long they stay."""

    registry: str = Field(
        "var/registry",
        description="Folder of `NAME/VERSION` bundles, or its URL, such as s3://BUCKET/PREFIX (`pip install '.[s3]'`).",
    )
    keep_versions: int = Field(3, ge=1, description="Versions of a model to keep, besides the active one.")
    gate_tolerance: float = Field(
        0.02,
        ge=0,
        description="A new bundle becomes active if it measures at most this much worse than the active one"
        " (relative).",
    )
    warm_queries: int = Field(
        2000,
        ge=0,
        description="Number of popular beginnings, of up to three characters, that a server answers in advance when it"
        " opens the bundle. 0: none.",
    )
    keep_held_out: bool = Field(
        True,
        description="Keep held-out text and queries, rare ones too, as plain text in the bundle's `evaluation/`."
        " `autocomplete evaluate` then needs no files.",
    )


class TrainingConfig(Section):
    """Everything that `autocomplete train` reads."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="The model's name, in `models/NAME`.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    work: str = Field(
        "var/work",
        description="Folder for finished steps, so that a stopped training can continue. Several trainings can share"
        " it. You may delete it.",
    )
    text: tuple[TextSource, ...] = Field((), description="Running text.")
    query_log: tuple[QueryLogSource, ...] = Field((), description="Query logs.")
    catalogue: tuple[CatalogueSource, ...] = Field(
        (), description="Catalogues. They serve as queries, alone or beside logs."
    )
    catalogue_weight: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Catalogue beside a log: the number of submissions that a weight of 1 counts as. The order of the"
        " entries stays as their weights say. Unset: a power of two that suits the unit of the weights. It makes"
        " held-out queries most probable, and lifts no entry by its weight alone among the ten most popular queries,"
        " which an empty box shows. If few queries are held out, the median entry counts about as much as the median"
        " query.",
    )
    generated: Literal["off", "fill", "mix"] | None = Field(
        None,
        description="Whether queries that the models put together are suggested: not at all (`off`), after all that log"
        " and catalogue have (`fill`), or among those, by their probability (`mix`). Unset: `fill` for a catalogue"
        " without a log, else `mix`. A server or a request may choose otherwise.",
    )
    min_probability: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Guesses that are less probable than this are not suggested: generated queries and corrections. 0"
        " leaves none out. Unset: learnt from held-out queries, or 1% if they say too little. A server or a request may"
        " choose otherwise.",
    )
    screening: Screening = Field(default_factory=Screening)
    duplicates: Duplicates = Field(default_factory=Duplicates)
    counting: Counting = Field(default_factory=Counting)
    held_out: HeldOut = Field(default_factory=HeldOut)
    language_models: tuple[LanguageModelConfig, ...] = Field(
        min_length=1,
        description="The first model that learns queries generates them. Further models with queries as first source"
        " advise the ranking. The first model that learns text generates text.",
    )
    publishing: Publishing = Field(default_factory=Publishing)


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Reads and checks a configuration.

    Args:
        overrides: `section.field=value` (TOML values; a bare word is a string), as `--set` takes them.

    Raises:
        InputError: the file cannot be read or is not TOML.
        ConfigError: a field is wrong; names the file and the field.
    """
    document = read_toml(path, missing="`autocomplete train --help` shows an example.")
    for override in overrides:
        _apply(document, override)
    try:
        config = TrainingConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise ConfigError(
            f"{path}: {field}: {first['msg']}.", remedy="`autocomplete train --help` documents every field."
        ) from None
    for field, problem, remedy in _mistakes(config):
        raise ConfigError(f"{path}: {field}: {problem}", remedy=remedy)
    return config


def _mistakes(config: TrainingConfig) -> Iterator[tuple[str, str, str]]:
    """Fields that do not go together: the field, what is wrong, and what to do."""
    logs = {log.name for log in config.query_log}
    if config.held_out.query_log not in {None, *logs}:
        yield "held_out.query_log", *_no_log(config.held_out.query_log)
    unclear = [place for place, log in enumerate(config.query_log) if bool(log.path) == bool(log.live)]
    yield from ((f"query_log.{place}.path", "a log has either this or live.", "Give one of them.") for place in unclear)
    names = [model.name for model in config.language_models]
    if len(set(names)) < len(names):
        yield "language_models", "two have the same name.", "Rename one."
    if config.counting.half_life_days and not any(source.time_column or source.live for source in config.query_log):
        remedy = "Name a log's time_column, or take half_life_days out."
        yield "counting.half_life_days", "no query log has times.", remedy
    for model in config.language_models:
        section = f"language_models.{model.name}"
        for source in model.sources:
            if not (config.text if source == "text" else config.query_log or config.catalogue):
                sections = "[[text]]" if source == "text" else "[[query_log]] or [[catalogue]]"
                remedy = f"Add a {sections} section, or take `{source}` out."
                yield f"{section}.sources", f"there is no {source}.", remedy
        if model.name in OWN_FOLDERS:
            yield f"{section}.name", f"{model.name!r} is a folder of every bundle.", "Give it another name."
        for name in model.query_logs:
            if name not in logs:
                yield f"{section}.query_logs", *_no_log(name)
        yield from _read_twice_mistakes(section, model, logs)
        yield from _ngram_mistakes(f"{section}.ngram", model.ngram)
        if model.reranker is not None and model.sources[0] != "queries":
            remedy = 'Leave it out, or put "queries" first in `sources`.'
            yield f"{section}.reranker", "its first source is text; only queries are re-ranked.", remedy
        if model.recent_words and model.unit != "word":
            remedy = 'Leave it out, or set `unit = "word"`.'
            yield f"{section}.recent_words", f"its unit is {model.unit}; only words come again.", remedy


def _read_twice_mistakes(
    section: str, model: LanguageModelConfig, logs: set[str | None]
) -> Iterator[tuple[str, str, str]]:
    learnt = set(model.query_logs) or logs
    for part, network in (("neural", model.neural), ("reranker", model.reranker)):
        for name in network.read_twice if network else ():
            if name not in logs:
                yield f"{section}.{part}.read_twice", *_no_log(name)
            elif "queries" not in model.sources or name not in learnt:
                problem = f"the model does not learn the log {name!r}."
                yield f"{section}.{part}.read_twice", problem, "Leave it out, or let the model learn it."


def _no_log(name: str | None) -> tuple[str, str]:
    return f"no [[query_log]] has the name {name!r}.", "Give one that name, or leave the field out."


_ONLY_WITH = {
    "delta": "add_delta",
    "prune": "kneser_ney",
    "quantize_bits": "kneser_ney",
    "discount_fallback": "kneser_ney",
}


def _ngram_mistakes(section: str, ngram: NgramConfig) -> Iterator[tuple[str, str, str]]:
    for field, smoothing in _ONLY_WITH.items():
        if ngram.smoothing != smoothing and getattr(ngram, field) != NgramConfig.model_fields[field].default:
            problem = f'is for smoothing = "{smoothing}", not "{ngram.smoothing}".'
            yield f"{section}.{field}", problem, f'Take it out, or set smoothing = "{smoothing}".'
    if ngram.smoothing == "kneser_ney" and ngram.order < 2:
        remedy = 'Set order = 2 or more, or smoothing = "add_delta".'
        yield f"{section}.order", "`kneser_ney` has no order 1.", remedy
    if len(ngram.prune) > ngram.order:
        yield f"{section}.prune", "more counts than orders.", f"Give at most {ngram.order}."


def _apply(document: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"--set {override}: not `field=value`.", remedy="Such as `--set seed=1`.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *parents, last = key.strip().split(".")
    table: Any = document
    for parent in parents:
        table = _child(table, parent, override)
    if isinstance(table, list):
        for item in table:
            item[last] = parsed
    else:
        table[last] = parsed


def _child(table: Any, name: str, override: str) -> Any:
    """The table of that name. In an array of tables, a position or an entry's `name` picks one."""
    if isinstance(table, list):
        for position, item in enumerate(table):
            if name in (str(position), item.get("name")):
                return item
        raise ConfigError(f"--set {override}: no {name!r} there.", remedy="Name an entry or its position.")
    child = table.setdefault(name, {})
    if not all(isinstance(item, dict) for item in (child if isinstance(child, list) else [child])):
        raise ConfigError(f"--set {override}: {name} holds no fields.", remedy="See `autocomplete train --help`.")
    return child


def describe(section: type[BaseModel] = TrainingConfig, prefix: str = "") -> list[tuple[str, str, str]]:
    """All fields as rows (dotted name, default, description)."""
    rows: list[tuple[str, str, str]] = []
    for name, field in section.model_fields.items():
        nested = _section_of(field.annotation)
        if nested is not None:
            many = "[]" if "tuple" in str(field.annotation) else ""
            rows.append((f"{prefix}{name}{many}", "", (nested.__doc__ or "").strip().split("\n")[0]))
            rows += describe(nested, f"{prefix}{name}{many}.")
        else:
            default = "required"
            if not field.is_required():
                default = "unset" if field.default is None else json.dumps(field.default, ensure_ascii=False)
            rows.append((f"{prefix}{name}", default, field.description or ""))
    return rows


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
