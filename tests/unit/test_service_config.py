from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import GatewaySettings
from gateway.config import load_settings as load_gateway_settings
from lm.errors import ConfigError, InputError
from service.config import ServerSettings, load_settings, split_address
from service.settings import OtherVariables, describe


def toml(folder: Path, text: str) -> Path:
    path = folder / "server.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_go_before_the_environment_the_file_and_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toml(tmp_path, "max_streams = 1\nmax_wait_ms = 1\nmax_concurrent = 1\n")
    monkeypatch.setenv("AUTOCOMPLETE_MAX_STREAMS", "2")
    monkeypatch.setenv("AUTOCOMPLETE_MAX_WAIT_MS", "2")
    settings = load_settings({"max_streams": 3, "drain_s": None}, path)
    assert (settings.max_streams, settings.max_wait_ms, settings.max_concurrent) == (3, 2, 1)
    assert settings.drain_s == 10


def test_models_are_a_list_in_the_file_and_commas_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({}, toml(tmp_path, 'models = ["a", "b"]')).models == ("a", "b")
    assert load_settings({"models": "a, b"}, None).models == ("a", "b")
    monkeypatch.setenv("AUTOCOMPLETE_MODELS", "c,d")
    assert load_settings({}, None).models == ("c", "d")


def test_a_registry_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    assert load_settings({}, toml(tmp_path, 'registry = "bundles"')).registry == str(tmp_path / "bundles")
    assert load_settings({"registry": "here"}, None).registry == "here"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("address", "50051", "not HOST:PORT"),
        ("address", "localhost:99999", "port"),
        ("address", "::1:50051", "not HOST:PORT"),
        ("metrics_address", "on", "not HOST:PORT"),
        ("redis", "localhost:6379", "not a URL"),
        ("redis", "redis://", "names no host"),
        ("redis", "redis://host:many/0", "a port is not a number"),
        ("redis", "redis+sentinel://host:26379", "names no service"),
        ("default_model", "Models/x", "not a model's name"),
        ("models", "a,B", "not a model's name"),
        ("cache", "some", "'all', 'process', 'redis' or 'none'"),
        ("max_concurrent", "0", "greater than or equal to 1"),
        ("drain_s", "soon", "valid number"),
        ("log_level", "loud", "'debug'"),
    ],
)
def test_a_wrong_setting_names_where_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: str, problem: str
) -> None:
    flag = "--" + field.replace("_", "-")
    with pytest.raises(ConfigError, match=problem) as by_flag:
        load_settings({field: value}, None)
    assert str(by_flag.value).startswith(flag + ": ")
    path = toml(tmp_path, f'{field} = "{value}"')
    with pytest.raises(ConfigError) as by_file:
        load_settings({}, path)
    assert str(by_file.value).startswith(f"{path}: {field}: ")
    monkeypatch.setenv(f"AUTOCOMPLETE_{field.upper()}", value)
    with pytest.raises(ConfigError) as by_variable:
        load_settings({}, path)
    assert str(by_variable.value).startswith(f"AUTOCOMPLETE_{field.upper()}: ")


def test_an_unknown_field_is_an_error(tmp_path: Path) -> None:
    path = toml(tmp_path, "adress = 'x:1'")
    with pytest.raises(ConfigError, match=r"adress: no such setting \(did you mean address\?\)"):
        load_settings({}, path)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AUTOCOMPLETE_WROKERS", "AUTOCOMPLETE_WORKERS"),
        ("autocomplete_worker", "AUTOCOMPLETE_WORKERS"),
        ("AUTOCOMPLETE_GATEWAY_ADRESS", "AUTOCOMPLETE_GATEWAY_ADDRESS"),
        ("AUTOCOMPLETE_GATWAY_PUBLIC_URL", "AUTOCOMPLETE_GATEWAY_PUBLIC_URL"),
        ("AUTOCOMPLETE_KENLM", "AUTOCOMPLETE_KENLM_BIN"),
    ],
)
def test_an_unknown_variable_is_an_error_of_both_programs(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "2")
    for load in (lambda: load_settings({}, others=(GatewaySettings,)), lambda: load_gateway_settings({})):
        with pytest.raises(ConfigError, match=rf"{variable}: no such .*did you mean {meant}\?"):
            load()


def test_an_unknown_variable_that_is_like_none_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOCOMPLETE_XYZZY", "")
    with pytest.raises(ConfigError, match=r"AUTOCOMPLETE_XYZZY: no such environment variable\."):
        load_settings({})


def test_variables_of_other_programs_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (ServerSettings, GatewaySettings, OtherVariables):
        for _, variable, default, _ in describe(kind):
            monkeypatch.setenv(variable, "" if default in ("unset", "False") else default)
    monkeypatch.delenv("AUTOCOMPLETE_GATEWAY_ADMIN", raising=False)
    for kind in (ServerSettings, GatewaySettings):
        for name in ("CONFIG", "BUNDLE_CACHE", "DEFAULT_MODEL"):
            monkeypatch.delenv(f"{kind.model_config['env_prefix']}{name}", raising=False)
    assert load_settings({}, others=(GatewaySettings,)).workers == 1
    assert load_gateway_settings({}).channels == 4


def test_what_a_cluster_says_of_a_service_named_autocomplete_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("AUTOCOMPLETE_SERVICE_HOST", "10.0.0.1"),
        ("AUTOCOMPLETE_SERVICE_PORT_GRPC", "50051"),
        ("AUTOCOMPLETE_GATEWAY_PORT", "tcp://10.0.0.1:8080"),
        ("AUTOCOMPLETE_PORT_50051_TCP_ADDR", "10.0.0.1"),
    ):
        monkeypatch.setenv(name, value)
    assert load_settings({}).workers == 1
    monkeypatch.setenv("AUTOCOMPLETE_PORT", "50052")
    with pytest.raises(ConfigError, match="AUTOCOMPLETE_PORT: no such"):
        load_settings({})


def test_every_variable_that_the_project_names_is_known() -> None:
    root = Path(__file__).resolve().parents[2]
    patterns = ("*.yml", ".env.example", "deploy/**/*", "benchmarks/**/*.py", "training/**/*.py", "scripts/*.py")
    files = [path for pattern in patterns for path in root.glob(pattern) if path.is_file()]
    texts = [path.read_text("utf-8", "ignore") for path in files]
    names = {name for text in texts for name in re.findall(r"(?<!import )\bAUTOCOMPLETE_[A-Z0-9_]+(?<!_)\b(?!,)", text)}
    known = {row[1] for kind in (ServerSettings, GatewaySettings, OtherVariables) for row in describe(kind)}

    assert {"AUTOCOMPLETE_KENLM_BIN", "AUTOCOMPLETE_DATA"} <= names
    assert names <= known


def test_a_variable_can_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOCOMPLETE_CONFIG", str(toml(tmp_path, "workers = 3")))
    assert load_settings({}).workers == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin1.toml").write_bytes(b"registry = '\xe9'")
    for name, problem in (
        ("none.toml", "no such file"),
        (".", "is a folder"),
        ("latin1.toml", "byte 12: not UTF-8"),
        (toml(tmp_path, "= 1").name, "not valid TOML"),
    ):
        with pytest.raises(InputError, match=problem):
            load_settings({}, tmp_path / name)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbfworkers = 3\r\n")

    assert load_settings({}, path).workers == 3


def test_a_redis_password_is_not_shown() -> None:
    settings = load_settings({"redis": "redis://:secret@host:6379/0"}, None)
    assert "secret" not in repr(settings)
    with pytest.raises(ConfigError) as caught:
        load_settings({"redis": "http://:secret@host"}, None)
    assert "secret" not in str(caught.value)


def test_every_setting_is_described() -> None:
    for kind in (ServerSettings, GatewaySettings, OtherVariables):
        rows = describe(kind)
        assert len(rows) == len(kind.model_fields)
        assert all(description.endswith(".") for *_, description in rows)
    assert ("--registry", "AUTOCOMPLETE_REGISTRY", "var/registry") in [row[:3] for row in describe(ServerSettings)]
    assert ("--timeout-s", "AUTOCOMPLETE_GATEWAY_TIMEOUT_S", "2.0") in [row[:3] for row in describe(GatewaySettings)]


def test_addresses() -> None:
    assert split_address("[::1]:1") == ("::1", 1)
    assert split_address("host:0") == ("host", 0)
