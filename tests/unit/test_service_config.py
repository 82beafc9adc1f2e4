from __future__ import annotations

from pathlib import Path

import pytest

from lm.errors import ConfigError, InputError
from service.config import ServerSettings, describe_settings, load_settings, split_address


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
    with pytest.raises(ConfigError, match="adress: no such setting"):
        load_settings({}, path)


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
    rows = describe_settings()
    assert len(rows) == len(ServerSettings.model_fields)
    assert all(description for *_, description in rows)
    assert rows[0][:3] == ("--registry", "AUTOCOMPLETE_REGISTRY", "var/registry")


def test_addresses() -> None:
    assert split_address("[::1]:1") == ("::1", 1)
    assert split_address("host:0") == ("host", 0)
