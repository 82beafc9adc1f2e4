"""The server's settings: flags, then `AUTOCOMPLETE_*` of the environment, then a TOML file, then defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.cache.redis_url import read_redis_url
from service.settings import describe, read_settings

ENVIRONMENT_PREFIX = "AUTOCOMPLETE_"
_MODEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class ServerSettings(BaseSettings):
    """Everything that `autocomplete serve` can be told."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    registry: str = Field(
        "var/registry", description="Folder of `NAME/VERSION` bundles, or its URL, such as s3://BUCKET/PREFIX."
    )
    bundle_cache: Path | None = Field(
        None,
        description="Folder of this machine for copies of bundles from a URL and for what need not be checked again; "
        "if unset `autocomplete` in the user's cache folder.",
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Models to serve, separated by commas; all of the registry if unset."
    )
    default_model: str | None = Field(
        None, description="Answers requests that name no model; needed only if there are several."
    )
    reload_s: float = Field(
        2.0, ge=0, description="Time from one look at the registry for other active versions to the next; 0: never."
    )
    address: str = Field("127.0.0.1:50051", description="HOST:PORT of gRPC; 0.0.0.0 for all interfaces.")
    metrics_address: str = Field("127.0.0.1:9464", description="HOST:PORT of Prometheus metrics over HTTP, or `off`.")
    workers: int = Field(
        1, ge=1, le=256, description="Processes that share the port; caches and the limits below are of each."
    )
    cache: Literal["all", "process", "redis", "none"] = Field(
        "all", description="Where answers are kept: process and Redis (`all`), one of them alone, nowhere."
    )
    cache_entries: int = Field(100_000, ge=1, description="Answers kept in the process at most.")
    cache_mb: int = Field(64, ge=1, description="Memory that the answers kept in the process may take.")
    redis: str | None = Field(
        None,
        repr=False,
        description="URL of a Redis (a server, Cluster, Sentinel) that shares answers between servers; unset: none.",
    )
    redis_timeout_ms: float = Field(
        5.0, gt=0, le=1000, description="Time that Redis may take to answer; later counts as a miss."
    )
    redis_ttl_s: int = Field(3600, ge=1, description="How long Redis keeps an answer.")
    max_concurrent: int = Field(2, ge=1, le=1024, description="Calls worked on at the same time.")
    max_wait_ms: float = Field(
        6.0, ge=0, description="Time that a call may have to wait for its turn; others are refused as OVERLOADED."
    )
    max_long_calls: int = Field(
        2, ge=1, le=64, description="GenerateText and ScoreText worked on at the same time; as many may wait."
    )
    max_streams: int = Field(
        1000, ge=1, le=100_000, description="Streams of keystrokes open at the same time; each takes 25 KB."
    )
    stream_idle_s: float = Field(
        600.0, gt=0, description="Time without a keystroke after which a stream ends; the next one opens another."
    )
    time_budget_ms: float = Field(
        50.0, gt=0, description="Time that an answer may take, if the caller's deadline is not sooner."
    )
    drain_s: float = Field(10.0, ge=0, description="Time that calls under way get to finish at a stop.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged; `debug` logs every call. Queries never are."
    )
    log_format: Literal["json", "console"] = Field("json", description="A JSON object a line, or for people.")
    trace_endpoint: str | None = Field(
        None,
        description="OpenTelemetry collector (OTLP over gRPC), as http://HOST:4317, for traces; unset: none.",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="Share of the calls that are traced where the caller has not decided."
    )

    @field_validator("registry", mode="before")
    @classmethod
    def _location(cls, value: object) -> object:
        return str(value) if isinstance(value, Path) else value

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("models")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            _check_model_name(name)
        return value

    @field_validator("default_model")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None:
            _check_model_name(value)
        return value

    @field_validator("address")
    @classmethod
    def _grpc_address(cls, value: str) -> str:
        split_address(value)
        return value

    @field_validator("metrics_address")
    @classmethod
    def _http_address(cls, value: str) -> str:
        if value != "off":
            split_address(value)
        return value

    @field_validator("trace_endpoint")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("no http:// or https:// URL, such as http://127.0.0.1:4317")
        return value or None

    @field_validator("redis")
    @classmethod
    def _redis_url(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        read_redis_url(value)  # raises ValueError if it is none
        return value


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


def load_settings(overrides: dict[str, object], config_file: Path | None) -> ServerSettings:
    """Reads and checks the settings; see `service.settings.read_settings`."""
    paths = ("registry", "bundle_cache")
    return read_settings(ServerSettings, overrides, config_file, command="autocomplete serve", paths=paths)


def describe_settings() -> list[tuple[str, str, str, str]]:
    """All settings as rows; see `service.settings.describe`."""
    return describe(ServerSettings)


def _check_model_name(name: str) -> None:
    if not _MODEL_NAME.fullmatch(name):
        raise ValueError("not a model's name (lower-case letters, digits, `-`, `_`, at most 63)")
