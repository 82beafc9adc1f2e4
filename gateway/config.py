"""The gateway's settings: flags, then `AUTOCOMPLETE_GATEWAY_*` of the environment, then a TOML file, then defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from service.config import ServerSettings, split_address
from service.settings import ENVIRONMENT_PREFIX, Names, ProgramSettings, read_settings

_SCHEMES = ("http", "https")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST_NAME = re.compile(r"\*|(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]")


class GatewaySettings(ProgramSettings):
    """Serves JSON over HTTP, browsers' address bars and a page to try it. The gRPC server computes all answers.

    A flag wins over its environment variable, the variable over the file of --config.
    """

    model_config = SettingsConfigDict(env_prefix=f"{ENVIRONMENT_PREFIX}GATEWAY_")
    command = "autocomplete gateway"

    address: str = Field("127.0.0.1:8080", description="HOST:PORT for HTTP. Host 0.0.0.0 means all interfaces.")
    server: str = Field(
        "127.0.0.1:50051",
        description="HOST:PORT of the gRPC server. All addresses of the name share the calls.",
    )
    channels: int = Field(
        4, ge=1, le=64, description="Number of connections to the server. One of its workers answers each connection."
    )
    timeout_s: float = Field(2.0, gt=0, le=60, description="Seconds that an answer of the server may take.")
    generate_timeout_s: float = Field(60.0, gt=0, le=600, description="Seconds that generated text may take.")
    socket_idle_s: float = Field(
        60.0,
        gt=0,
        description="The gateway closes a WebSocket after this many seconds without typing. The page opens another.",
    )
    public_url: str | None = Field(
        None,
        description="Where browsers reach the gateway, such as https://search.example or https://shop.example/search. "
        "If unset, the host that they ask for.",
    )
    allowed_hosts: Names = Field(
        (),
        description="Host names under which the gateway answers, separated by commas: search.example, *.shop.example, "
        "10.0.0.5, or `*` for any. localhost, 127.0.0.1, [::1] and the host of --public-url are always allowed.",
    )
    allowed_origins: Names = Field(
        (),
        description="Sites whose pages may call the gateway, separated by commas, or `*` for all. If unset, none.",
    )
    cache_s: int = Field(10, ge=0, le=86400, description="Seconds that a browser keeps the answer to a GET request.")
    max_body_kb: int = Field(256, ge=1, le=1024, description="Maximum size of a request body or WebSocket message.")
    max_connections: int = Field(1000, ge=1, description="Maximum number of open connections. More are refused.")
    connections_per_s: float = Field(
        200.0,
        gt=0,
        description="Maximum number of new connections a second, briefly twice as many. More are refused.",
    )
    max_sockets: int = Field(
        200, ge=1, description="Maximum number of open WebSockets. Each is a stream to the server."
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Addresses or networks of trusted proxies, separated by commas, or `*` for all. Only their "
        "X-Forwarded-* headers count.",
    )
    admin: bool = Field(
        False,
        description="Whether the gateway also serves operators: the page at `/admin`, take-downs, curation, and lists "
        "of what users typed. Whoever reaches it may then change what all users see, but no page of another site may: "
        "run a second gateway for this, which only operators can reach.",
    )
    drain_s: float = Field(10.0, ge=0, description="Seconds that running requests get to finish at a stop.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged. `debug` logs every request. Queries are never logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json` writes one JSON object a line, `console` is for people."
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """All host names under which the gateway answers."""
        public = urlsplit(self.public_url or "").hostname
        named = () if public is None else (f"[{public}]" if ":" in public else public,)
        return (*_LOOPBACK, *named, *self.allowed_hosts)

    @property
    def public_origin(self) -> str:
        """Scheme, host and port of `public_url`; empty if unset."""
        parts = urlsplit(self.public_url or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    @property
    def base_path(self) -> str:
        """The path of `public_url`, such as `/search`; empty if it has none."""
        return urlsplit(self.public_url or "").path

    @field_validator("address")
    @classmethod
    def _http_address(cls, value: str) -> str:
        split_address(value)
        return value

    @field_validator("server")
    @classmethod
    def _grpc_target(cls, value: str) -> str:
        if not re.match(r"[a-z]+:/", value):  # else a URI as gRPC's name resolution has them
            split_address(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        return None if not value else _site(value, with_path=True)

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not _HOST_NAME.fullmatch(each):
                raise ValueError(f"{each!r} is not a host name without scheme and port, such as search.example")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(each if each == "*" else _site(each) for each in value)


def load_settings(overrides: Mapping[str, object], config_file: Path | None = None) -> GatewaySettings:
    """Reads and checks the settings; see `service.settings.read_settings`."""
    return read_settings(GatewaySettings, overrides, config_file, others=(ServerSettings,))


def _site(url: str, *, with_path: bool = False) -> str:
    """The URL without a slash at its end, if it is a scheme, a host, perhaps a port and, if allowed, a path."""
    parts = urlsplit(url)
    known = parts.scheme in _SCHEMES and parts.hostname and not parts.query and not parts.fragment
    if not known or not re.fullmatch(r"(/[\w.~-]+)*/?" if with_path else "/?", parts.path):
        examples = "https://search.example" + (" or https://shop.example/search" if with_path else "")
        raise ValueError(f"not a scheme and a host, such as {examples}")
    _ = parts.port  # raises ValueError if it is no port
    return url.rstrip("/")
