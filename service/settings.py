"""How a program reads its settings: flags, then its variables of the environment, then a TOML file, then defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from lm.bundle.registry import is_url
from lm.errors import ConfigError
from lm.toml_file import read_toml

ENVIRONMENT_PREFIX = "AUTOCOMPLETE_"
# Kubernetes and Docker describe a service named `autocomplete` in variables of their own
_SET_BY_THE_CLUSTER = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)|_PORT=(tcp|udp|sctp)://")


class ProgramSettings(BaseSettings):
    """The settings of one program.

    A field states name, type, bounds, default and help once. Flags, variables and the reference page follow from it.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,  # as `docker compose` gives a variable that is not set
        extra="forbid",
        frozen=True,
        cli_avoid_json=True,
        cli_exit_on_error=False,
        cli_hide_none_type=True,
        cli_implicit_flags=True,
        cli_kebab_case=True,
        cli_show_env_vars=True,
    )
    command: ClassVar[str]
    """The command that reads these settings."""
    relative_to_file: ClassVar[tuple[str, ...]] = ()
    """Folders that are relative to the TOML file if it names them, unless they are URLs."""

    config: Path | None = Field(
        None, description="TOML file of settings. Its fields are named like the flags, with `_` in place of `-`."
    )


class OtherVariables(BaseSettings):
    """Variables that no flag stands for: programs beside the server and the gateway read them."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX)

    kenlm_bin: str = Field("", description="Training: folder of KenLM's programs. If unset, training builds them once.")
    data: str = Field("", description="docker-compose.yml: folder that holds `registry`. If unset, a volume.")
    benchmark_data: str = Field("", description="Benchmarks of queries: folder of the query logs.")
    benchmark_sessions: str = Field("", description="Benchmark of users' own queries: folder of the log.")
    benchmark_texts: str = Field("", description="Benchmarks of text models: folder of the texts.")
    benchmark_trends: str = Field("", description="Benchmark of trends: folder of the searches for what came up.")
    benchmark_wikitext2: str = Field("", description="Benchmarks of n-gram models: folder of WikiText-2.")


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Names, separated by commas where they are written."""
Settings = TypeVar("Settings", bound=ProgramSettings)


def read_settings(
    kind: type[Settings],
    overrides: Mapping[str, object],
    config_file: Path | None = None,
    *,
    others: Iterable[type[BaseSettings]] = (),
) -> Settings:
    """Reads and checks settings.

    Args:
        kind: the settings to read.
        overrides: flags by field name. None means that the flag was not given.
        config_file: a TOML file; if None, the one that the setting `config` names.
        others: settings of other programs, which may have variables in the same environment.

    Raises:
        InputError: the file cannot be read or is not TOML.
        ConfigError: a setting is wrong or unknown. It names the flag, the variable or the file's field.
    """
    _refuse_unknown_variables((kind, OtherVariables, *others))
    flags = {name: value for name, value in overrides.items() if value is not None}
    variables = EnvSettingsSource(kind)()
    named = config_file or flags.get("config") or variables.get("config")
    file = None if named is None else Path(str(named))
    document = {} if file is None else _read_file(kind, file)
    try:
        return kind(**{**document, **variables, **flags})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        place = f"{file}: {name}"
        if name in flags:
            place = flag_name(name)
        elif name in variables:
            place = variable_name(kind, name)
        raise _config_error(kind, name, place, first["type"], first["msg"]) from None


def _config_error(kind: type[ProgramSettings], name: str, place: str, fault: str, message: str) -> ConfigError:
    problem = message.removeprefix("Value error, ")
    if fault == "extra_forbidden":
        problem = "no such setting" + nearest(name, kind.model_fields)
    return ConfigError(f"{place}: {problem}.", remedy=f"`{kind.command} --help` documents every setting.")


def describe(kind: type[BaseSettings]) -> list[tuple[str, str, str, str]]:
    """All settings as rows: flag, environment variable, default, description."""
    return [
        (flag_name(name), variable_name(kind, name), _shown(field.default), field.description or "")
        for name, field in kind.model_fields.items()
    ]


def flag_name(field: str) -> str:
    """The flag of a field."""
    return "--" + field.replace("_", "-")


def variable_name(kind: type[BaseSettings], field: str) -> str:
    """The environment variable of a field."""
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def nearest(name: str, known: Iterable[str], start: str = "") -> str:
    """The end of an error about an unknown name: the known one that is most like it, if one is.

    Args:
        start: how all these names start; it is not compared.
    """
    found = get_close_matches(name.removeprefix(start), [each.removeprefix(start) for each in known], n=1)
    return f" (did you mean {start}{found[0]}?)" if found else ""


def _refuse_unknown_variables(kinds: Iterable[type[BaseSettings]]) -> None:
    known = {variable_name(kind, field) for kind in kinds for field in kind.model_fields}
    for name, value in os.environ.items():
        variable = name.upper()
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in known:
            continue
        if not _SET_BY_THE_CLUSTER.search(f"{variable}={value}"):
            raise ConfigError(
                f"{name}: no such environment variable{nearest(variable, known, ENVIRONMENT_PREFIX)}.",
                remedy=f"Correct or unset it: all that begin with {ENVIRONMENT_PREFIX} are settings of this project.",
            )


def _read_file(kind: type[ProgramSettings], path: Path) -> dict[str, Any]:
    document = read_toml(path, missing=f"`{kind.command} --help` helps.")
    for name in kind.relative_to_file:
        given = document.get(name)
        if isinstance(given, str) and given != "off" and not is_url(given):
            document[name] = path.parent / given
    return document


def _shown(default: object) -> str:
    return "unset" if default is None or default == () else str(default)
