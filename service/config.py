"""The server's settings: flags, then `AUTOCOMPLETE_*` of the environment, then a TOML file, then defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings

from service.cache.redis_url import read_redis_url
from service.settings import Names, ProgramSettings, read_settings
from service.shares import read_split

_MODEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 host stands in brackets.

    Raises:
        ValueError: it is none.
    """
    host, separator, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not separator or not bare or (":" in bare and not host.startswith("[")):
        raise ValueError("not HOST:PORT, such as 127.0.0.1:50051")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("the port is not a number from 0 to 65535")
    return bare, int(port)


def _address(value: str) -> str:
    split_address(value)
    return value


def _address_or_off(value: str) -> str:
    return value if value == "off" else _address(value)


def _model_name(name: str) -> str:
    if not _MODEL_NAME.fullmatch(name):
        raise ValueError("not a model's name (lower-case letters, digits, `-`, `_`, at most 63)")
    return name


def _model_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_model_name, names))


def _shares(items: tuple[str, ...]) -> tuple[str, ...]:
    read_split(items)
    return items


def _collector(value: str | None) -> str | None:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("not an http:// or https:// URL, such as http://127.0.0.1:4317")
    return value or None


def _redis_url(value: str | None) -> str | None:
    if value:
        read_redis_url(value)
    return value or None


def _live(value: str | None) -> str | None:
    if value is not None and ("://" in value or value == ""):
        return _redis_url(value)
    return value


Address = Annotated[str, AfterValidator(_address)]
ModelName = Annotated[str, AfterValidator(_model_name)]
Location = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)]


class ServerSettings(ProgramSettings):
    """Serves the models of a registry over gRPC until it is told to stop.

    A flag wins over its environment variable, the variable over the file of --config.
    """

    command = "autocomplete serve"
    relative_to_file = ("registry", "bundle_cache", "live")

    registry: Location = Field(
        "var/registry", description="Folder of `NAME/VERSION` bundles, or its URL, such as s3://BUCKET/PREFIX."
    )
    bundle_cache: Path | None = Field(
        None,
        description="Folder on this machine for copies of bundles from a URL, and for the list of files that were "
        "checked already. If unset, `autocomplete` in the user's cache folder.",
    )
    models: Annotated[Names, AfterValidator(_model_names)] = Field(
        (), description="Models to serve, separated by commas. If unset, all models of the registry."
    )
    default_model: ModelName | None = Field(
        None, description="The model for requests that name none. Only needed if there are several models."
    )
    split: Annotated[Names, AfterValidator(_shares)] = Field(
        (),
        description="Versions of a model that answer side by side, each with its share of the users in percent, such "
        "as shop@20261201-030000=90,shop@20261128-030000=10. If unset, the active version of a model answers all.",
    )
    reload_s: float = Field(
        2.0, ge=0, description="Seconds between two looks at the registry for newly activated versions. 0 means never."
    )
    address: Address = Field("127.0.0.1:50051", description="HOST:PORT for gRPC. Host 0.0.0.0 means all interfaces.")
    metrics_address: Annotated[str, AfterValidator(_address_or_off)] = Field(
        "127.0.0.1:9464", description="HOST:PORT for Prometheus metrics over HTTP, or `off`."
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Worker processes that share the port. Each has its own cache, and each keeps to the limits below.",
    )
    cache: Literal["all", "process", "redis", "none"] = Field(
        "all", description="Where answers are kept: in the process and in Redis (`all`), in one of them, or nowhere."
    )
    cache_entries: int = Field(100_000, ge=1, description="Maximum number of answers kept in a process.")
    cache_mb: int = Field(64, ge=1, description="Maximum memory for the answers kept in a process, in megabytes.")
    redis: Annotated[str | None, AfterValidator(_redis_url)] = Field(
        None,
        repr=False,
        description="URL of the Redis server, Cluster or Sentinel that servers share answers through. If unset, none.",
    )
    redis_timeout_ms: float = Field(
        5.0, gt=0, le=1000, description="If Redis takes longer than this, the server computes the answer."
    )
    redis_ttl_s: int = Field(3600, ge=1, description="Seconds that Redis keeps an answer.")
    live: Annotated[Location | None, AfterValidator(_live)] = Field(
        None,
        repr=False,
        description="Where the live state is kept, which is take-downs, curation, events and users' own queries: an "
        "SQLite file for the processes of one machine, the URL of a Redis that replicas share, or `off`. If unset, the "
        "Redis of --redis, else `live.sqlite` beside the registry, or `off` if the registry is a URL.",
    )
    live_replicas: int = Field(
        0, ge=0, le=16, description="Number of replicas of the live Redis that must have a change before it is taken."
    )
    user_secret: str | None = Field(
        None,
        repr=False,
        description="Secret with which users' ids are hashed before anything is kept of them; better given in the "
        "environment than as a flag. If unset, one that the live state draws when it is first needed. Another secret "
        "makes all users new ones.",
    )
    live_half_life_s: float = Field(
        3600.0,
        ge=60,
        le=30 * 86400,
        description="Seconds after which a submission counts half as much for what is trending.",
    )
    live_min_users: int = Field(
        3,
        ge=1,
        le=16,
        description="Distinct users who must have submitted a query within a day before it rises or appears.",
    )
    live_events_days: float = Field(
        30.0, gt=0, le=3650, description="Days for which events of users are kept, 5,000,000 of them at most."
    )
    history_queries: int = Field(
        200,
        ge=0,
        le=1000,
        description="Own queries that are kept of a user: the last ones of events that come with an id. 0: none.",
    )
    history_days: float = Field(
        90.0, gt=0, description="Days for which a user's query is kept after it was submitted last."
    )
    max_concurrent: int = Field(2, ge=1, le=1024, description="Maximum number of calls computed at the same time.")
    max_wait_ms: float = Field(
        6.0, ge=0, description="A call that would wait longer than this for its turn is refused as OVERLOADED."
    )
    max_long_calls: int = Field(
        2,
        ge=1,
        le=64,
        description="Maximum number of GenerateText and ScoreText calls at the same time. As many more may wait.",
    )
    max_streams: int = Field(
        1000, ge=1, le=100_000, description="Maximum number of open keystroke streams. Each takes 25 KB."
    )
    stream_idle_s: float = Field(
        600.0,
        gt=0,
        description="The server ends a stream after this many seconds without a keystroke. The next keystroke opens "
        "another.",
    )
    time_budget_ms: float = Field(
        50.0, gt=0, description="Time that an answer may take, unless the caller's deadline is sooner."
    )
    generated: Literal["off", "fill", "mix"] | None = Field(
        None,
        description="Whether queries that the models put together are suggested: not at all (`off`), after all that "
        "log and catalogue have (`fill`), or among those (`mix`). If unset, as each model says. A request may choose.",
    )
    min_probability: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Whole queries that are less probable than this are not suggested. 0 leaves none out. If unset, "
        "as each model says, which leaves out only guesses. A request may choose.",
    )
    min_ghost_probability: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Words that are less probable than this are not shown as ghost text, in grey behind the cursor. If "
        "unset, as each model has learnt. A request may choose.",
    )
    drain_s: float = Field(10.0, ge=0, description="Seconds that running calls get to finish when the server stops.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged. `debug` logs every call. Queries are never logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json` writes one JSON object a line, `console` is for people."
    )
    trace_endpoint: Annotated[str | None, AfterValidator(_collector)] = Field(
        None,
        description="OpenTelemetry collector (OTLP over gRPC) for traces, such as http://HOST:4317. If unset, none.",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="Share of calls that are traced, unless the caller has decided."
    )


def load_settings(
    overrides: Mapping[str, object],
    config_file: Path | None = None,
    *,
    others: Iterable[type[BaseSettings]] = (),
) -> ServerSettings:
    """Reads and checks the settings; see `service.settings.read_settings`."""
    return read_settings(ServerSettings, overrides, config_file, others=others)
