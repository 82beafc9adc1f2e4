"""The training configuration: one TOML file, every field documented here.

`autocomplete train --help` prints `describe()`; a path is relative to the configuration file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from lm.errors import ConfigError
from lm.models.ngram import Smoothing
from lm.toml_file import read_toml
from training.config_log import Counting, QueryLogSource
from training.config_networks import NeuralConfig, RerankerConfig
from training.config_section import Section


class TextSource(Section):
    """Running text: `.txt` (a paragraph a line), `.jsonl` or `.parquet`, each also `.gz`, `.xz`, `.zst`."""

    path: str = Field(description="File, or glob pattern such as `speeches/*.txt`.")
    column: str = Field("text", description="Field of `.jsonl`, column of `.parquet` that holds the text.")
    part: Literal["split", "train", "validation", "test"] = Field(
        "split", description="What the file is for; `split` holds some blocks of its sentences out."
    )
    sentences: Literal["split", "lines"] = Field(
        "split", description="`split` finds the sentences of each paragraph; `lines`: a line is a sentence."
    )
    screened: bool = Field(
        True, description="Drop sentences with personal data or keys; false for published corpora, measured whole."
    )
    max_lines: int | None = Field(None, ge=1, description="Read only this many lines of each file.")


class CatalogueSource(Section):
    """Titles or products with weights, a query log's stand-in: `.tsv`, `.csv`, `.jsonl`, `.parquet`."""

    path: str = Field(description="File, or glob pattern.")
    text_column: str = Field("text", description="Column that holds the title; it is shown as it is written.")
    weight_column: str | None = Field(
        None, description="Column with how often an entry is wanted, as a log's counts; 1 if unset. 0 drops the entry."
    )
    payload_column: str | None = Field(
        None, description="Column with what answers hold beside the entry, such as an identifier or JSON."
    )


class Screening(Section):
    """What of the query log may enter the index and the models."""

    min_users: int = Field(
        3,
        ge=1,
        description="Distinct users that must have typed a query (logs with a user column; rows without one count as"
        " none).",
    )
    min_count: int = Field(2, ge=1, description="Times that a query must have been typed (logs without a user column).")
    model_min_users: int | None = Field(
        None, ge=1, description="As `min_users`, for what the language models learn; unset: the same."
    )
    model_min_count: int | None = Field(
        None, ge=1, description="As `min_count`, for what the language models learn; unset: the same."
    )
    min_length: int = Field(
        3, ge=1, description="Shorter queries are dropped (code points); 2 for Korean, Chinese, Japanese."
    )
    max_length: int = Field(100, ge=8, le=256, description="Longer queries are dropped (code points).")
    blocked_words: str | None = Field(
        None,
        description="File of words and phrases never suggested, one a line, beside the built-in English list.",
    )


class Duplicates(Section):
    """Which differences make no other query: in a list only the most popular form stands."""

    collapse: tuple[Literal["accents", "punctuation", "plural", "word_order"], ...] = Field(
        ("accents", "punctuation", "plural", "word_order"),
        description="Differences that count for none; plurals are English, accents those of Latin letters.",
    )
    plural_ratio: float = Field(
        3.0,
        ge=1,
        description="A query gives way to its plural or singular only if that is so many times as popular; at 1, 0.5%"
        " of MRR@10 is lost on the benchmark's queries.",
    )


class HeldOut(Section):
    """What is kept from training: `validation` tunes weights, `test` measures."""

    validation_fraction: float = Field(0.04, gt=0, lt=0.5, description="Share of lines that tune weights.")
    test_fraction: float = Field(0.04, gt=0, lt=0.5, description="Share of lines that measure.")
    max_queries: int = Field(4000, ge=10, description="At most this many queries in each part.")
    max_sentences: int = Field(20000, ge=10, description="At most this many sentences in each part.")
    query_log: str | None = Field(
        None,
        description="Name of the query logs that held-out queries are drawn from, those most like what will be typed;"
        " unset: all.",
    )


class NgramConfig(Section):
    """N-gram model: modified Kneser-Ney by KenLM, or counts with a simpler smoothing as a baseline."""

    smoothing: Smoothing = Field(
        "kneser_ney",
        description="`kneser_ney` (modified, by KenLM), `add_delta` (Lidstone's) or `stupid_backoff` (normalised).",
    )
    order: int = Field(5, ge=1, le=6, description="Longest n-gram; `kneser_ney` takes 2 or more.")
    delta: float = Field(0.003, gt=0, le=10, description="What `add_delta` adds to every count.")
    prune: tuple[int, ...] = Field(
        (), description="Counts at or under which n-grams are dropped, one an order; empty keeps all (`kneser_ney`)."
    )
    quantize_bits: int | None = Field(
        None,
        ge=2,
        le=16,
        description="Bits of each probability and back-off weight in KenLM's file; unset keeps all 32. Probabilities"
        " then sum to 1 only roughly (`kneser_ney`).",
    )
    discount_fallback: bool = Field(
        False, description="Estimate even where the text is too small for its discounts: for tests only."
    )
    memory: str = Field("1G", pattern=r"^\d+[MG]$", description="Memory that `lmplz` may sort in.")


class LanguageModelConfig(Section):
    """A language model: one unit and vocabulary, an n-gram model, a neural model and their mixture."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$", description="Its name in the bundle.")
    unit: Literal["word", "subword"] = Field(
        description="`subword` completes queries, and text without spaces between words; `word` completes text."
    )
    sources: tuple[Literal["text", "queries"], ...] = Field(
        min_length=1, description="What it is trained on; the first one also tunes and measures it."
    )
    query_logs: tuple[str, ...] = Field(
        (),
        description="Names of the query logs that it is trained on, as where one log is nearest to what will be typed;"
        " empty: all of them, and the catalogue.",
    )
    vocabulary_size: int = Field(4000, ge=64, description="Words (most frequent ones) or BPE pieces.")
    min_count: int = Field(1, ge=1, description="Words seen fewer times are unknown (unit `word`).")
    lowercase: bool = Field(True, description="Fold case before training and look-up.")
    pretokenized: bool = Field(
        False, description="Words are what stands between spaces, as in published corpora (unit `word`)."
    )
    ngram: NgramConfig = Field(default_factory=NgramConfig)
    neural: NeuralConfig | None = Field(None, description="Left out: an n-gram model alone.")
    reranker: RerankerConfig | None = Field(
        None, description="Left out: none; on the benchmark's queries it gained nothing (models of queries)."
    )
    recent_words: int = Field(
        0,
        ge=0,
        le=10000,
        description="Words of the same text that become more probable again, if that predicts held-out text better; "
        "0: none (unit `word`).",
    )


class Publishing(Section):
    """Where bundles go and how long they stay."""

    registry: str = Field(
        "var/registry",
        description="Folder of `NAME/VERSION` bundles, or its URL, such as s3://BUCKET/PREFIX (`pip install '.[s3]'`).",
    )
    keep_versions: int = Field(3, ge=1, description="Versions kept of a model, the active one besides.")
    gate_tolerance: float = Field(
        0.02, ge=0, description="How much worse (relative) than the active bundle a new one may measure."
    )
    warm_queries: int = Field(
        2000,
        ge=0,
        description="Beginnings of up to three characters, the most typed of the queries, that a server answers before"
        " anybody asks; 0: none.",
    )
    keep_held_out: bool = Field(
        True,
        description="Keep held-out text and queries, rare ones too, as plain text in the bundle's `evaluation/`, so"
        " that `autocomplete evaluate` needs no files.",
    )


class TrainingConfig(Section):
    """Everything that `autocomplete train` reads."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="The model's name, in `models/NAME`.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    work: str = Field("var/work", description="Folder for what can be resumed; safe to delete.")
    text: tuple[TextSource, ...] = Field((), description="Running text.")
    query_log: tuple[QueryLogSource, ...] = Field((), description="Query logs.")
    catalogue: tuple[CatalogueSource, ...] = Field(
        (), description="Catalogues: they serve as queries, alone or beside logs."
    )
    screening: Screening = Field(default_factory=Screening)
    duplicates: Duplicates = Field(default_factory=Duplicates)
    counting: Counting = Field(default_factory=Counting)
    held_out: HeldOut = Field(default_factory=HeldOut)
    language_models: tuple[LanguageModelConfig, ...] = Field(
        min_length=1,
        description="The first that has queries generates them, further ones whose first source is queries advise"
        " the ranking; the first that has text generates text.",
    )
    publishing: Publishing = Field(default_factory=Publishing)


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Reads and checks a configuration.

    Args:
        path: the TOML file.
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
    _check(path, config)
    return config


def _check(path: Path, config: TrainingConfig) -> None:
    if config.held_out.query_log is not None:
        _check_log_name(f"{path}: held_out.query_log", config.held_out.query_log, config)
    names = [model.name for model in config.language_models]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: language_models: two have the same name.", remedy="Rename one.")
    if config.counting.half_life_days and not any(source.time_column for source in config.query_log):
        raise ConfigError(
            f"{path}: counting.half_life_days: no query log has times.",
            remedy="Name a log's time_column, or take half_life_days out.",
        )
    for model in config.language_models:
        for source in model.sources:
            if not (config.text if source == "text" else config.query_log or config.catalogue):
                section = "[[text]]" if source == "text" else "[[query_log]] or [[catalogue]]"
                raise ConfigError(
                    f"{path}: language_models.{model.name}.sources: there is no {source}.",
                    remedy=f"Add a {section} section, or take `{source}` out.",
                )
        for name in model.query_logs:
            _check_log_name(f"{path}: language_models.{model.name}.query_logs", name, config)
        _check_ngram(f"{path}: language_models.{model.name}.ngram", model.ngram)
        if len(model.ngram.prune) > model.ngram.order:
            raise ConfigError(
                f"{path}: language_models.{model.name}.ngram.prune: more counts than orders.",
                remedy=f"Give at most {model.ngram.order}.",
            )
        if model.reranker is not None and model.sources[0] != "queries":
            raise ConfigError(
                f"{path}: language_models.{model.name}.reranker: its first source is text; only queries are re-ranked.",
                remedy='Leave it out, or put "queries" first in `sources`.',
            )
        if model.recent_words and model.unit != "word":
            raise ConfigError(
                f"{path}: language_models.{model.name}.recent_words: its unit is {model.unit}; only words come again.",
                remedy='Leave it out, or set `unit = "word"`.',
            )


def _check_log_name(field: str, name: str, config: TrainingConfig) -> None:
    if all(log.name != name for log in config.query_log):
        raise ConfigError(
            f"{field}: no [[query_log]] has the name {name!r}.", remedy="Give one that name, or leave the field out."
        )


_ONLY_WITH = {
    "delta": "add_delta",
    "prune": "kneser_ney",
    "quantize_bits": "kneser_ney",
    "discount_fallback": "kneser_ney",
}


def _check_ngram(section: str, ngram: NgramConfig) -> None:
    for field, smoothing in _ONLY_WITH.items():
        if ngram.smoothing != smoothing and getattr(ngram, field) != NgramConfig.model_fields[field].default:
            raise ConfigError(
                f'{section}.{field}: is for smoothing = "{smoothing}", not "{ngram.smoothing}".',
                remedy=f'Take it out, or set smoothing = "{smoothing}".',
            )
    if ngram.smoothing == "kneser_ney" and ngram.order < 2:
        raise ConfigError(
            f"{section}.order: `kneser_ney` has no order 1.",
            remedy='Set order = 2 or more, or smoothing = "add_delta".',
        )


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
    """The table below; in an array of tables a number picks one, `name` of an entry too."""
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
    """All fields as rows (dotted name, default, description), for `--help` and the README."""
    rows: list[tuple[str, str, str]] = []
    for name, field in section.model_fields.items():
        nested = _section_of(field.annotation)
        if nested is not None:
            many = "[]" if "tuple" in str(field.annotation) else ""
            rows.append((f"{prefix}{name}{many}", "", (nested.__doc__ or "").strip().split("\n")[0]))
            rows += describe(nested, f"{prefix}{name}{many}.")
        else:
            default = "required" if field.is_required() else _toml(field.default)
            rows.append((f"{prefix}{name}", default, field.description or ""))
    return rows


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _toml(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value).replace("'", '"')
