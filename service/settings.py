"""How a program reads its settings: flags, then its variables of the environment, then a TOML file, then defaults."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from lm.bundle.registry import is_url
from lm.errors import ConfigError
from lm.toml_file import read_toml

Settings = TypeVar("Settings", bound=BaseSettings)


def read_settings(
    kind: type[Settings],
    overrides: dict[str, object],
    config_file: Path | None,
    *,
    command: str,
    paths: Sequence[str] = (),
) -> Settings:
    """Reads and checks settings.

    Args:
        kind: the settings; the `env_prefix` of its configuration begins the variables' names.
        overrides: flags by field name; None means that the flag was not given.
        config_file: a TOML file.
        command: the command whose `--help` documents them.
        paths: folders that are relative to the file where it has them, unless they are URLs.

    Raises:
        InputError: the file cannot be read or is not TOML.
        ConfigError: a setting is wrong; names the flag, the variable or the file's field.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    document = {} if config_file is None else _read(config_file, command, paths)

    class Reader(kind):  # type: ignore[valid-type,misc]
        """The settings with this call's file as a source."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """Flags, environment, file."""
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=document)

    try:
        settings: Settings = Reader(**given)
    except ValidationError as error:
        raise _config_error(kind, error, given, config_file, command) from None
    return settings


def describe(kind: type[BaseSettings]) -> list[tuple[str, str, str, str]]:
    """All settings as rows (flag, environment variable, default, description), for `--help`."""
    return [
        (_flag(name), _variable(kind, name), _shown(field.default), field.description or "")
        for name, field in kind.model_fields.items()
    ]


def _read(path: Path, command: str, paths: Sequence[str]) -> dict[str, Any]:
    document = read_toml(path, missing=f"`{command} --help` helps.")
    for name in paths:
        if isinstance(document.get(name), str) and not is_url(document[name]):
            document[name] = path.parent / document[name]
    return document


def _config_error(
    kind: type[BaseSettings],
    error: ValidationError,
    given: dict[str, object],
    config_file: Path | None,
    command: str,
) -> ConfigError:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if name in given:
        place = _flag(name)
    elif name in kind.model_fields and _variable(kind, name) in os.environ:
        place = _variable(kind, name)
    else:
        place = f"{config_file}: {name}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "no such setting"
    return ConfigError(f"{place}: {message}.", remedy=f"`{command} --help` documents every setting.")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(kind: type[BaseSettings], name: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{name.upper()}"


def _shown(default: object) -> str:
    return "unset" if default is None or default == () else str(default)
