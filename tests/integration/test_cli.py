"""The commands that ask a server or read a registry, as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from lm.bundle.manifest import write_manifest
from lm.bundle.registry import Registry
from tests.empty_bundle import empty_manifest
from tests.redis_process import free_port
from tests.service_twins import running

_ROOT = Path(__file__).resolve().parents[2]


def _call(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, whose output has nothing of a server that runs in this one."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)


def _bundle(registry: Path, version: str) -> Path:
    folder = registry / "shop" / version
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"x" * 1000)
    write_manifest(folder, empty_manifest("shop", version, query_count=7))
    return folder


def test_complete_and_health_ask_a_server(tmp_path: Path) -> None:
    with running(tmp_path) as (server, _channel):
        address = f"127.0.0.1:{server.port}"
        table = _call("complete", "new yor", "--server", address, "--explain")
        answer = _run("complete", "new yor", "--server", address, "--json", "--max", "2")
        words = _call("complete", "the united ", "--server", address, "--words")
        logged = _run("complete", "new yor", "--server", address, "--generated", "off", "--json")
        silent = _call("complete", "new yor", "--server", address, "--min-probability", "0.6")
        no_words = _call("complete", "the united ", "--server", address, "--words", "--min-probability", "0.95")
        wrong = _call("complete", "new yor", "--server", address, "--min-probability", "1.5")
        refused = _call("complete", "x" * 257, "--server", address)
        unknown = _call("complete", "x", "--server", address, "--model", "other")
        health = _call("health", "--address", address)

    assert table.exit_code == 0
    assert "new yorc" in table.stdout
    assert "generated" in table.stdout
    document = json.loads(answer.stdout)
    assert [item["text"] for item in document["suggestions"]] == ["new yorc", "new yorb"]
    assert document["model_version"]
    assert "the united states" in words.stdout
    assert [item["text"] for item in json.loads(logged.stdout)["suggestions"]] == ["new yorc"]
    assert "nothing fits" in silent.stdout
    assert "nothing fits" in no_words.stdout
    assert "min_acceptance_probability: is 1.5. It must be from 0 to 1." in wrong.stderr
    for result in (refused, unknown, wrong):
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
    assert "257" in refused.stderr
    assert health.exit_code == 0


def test_a_server_that_is_down_is_one_clear_error() -> None:
    address = f"127.0.0.1:{free_port()}"
    result = _call("complete", "new", "--server", address)

    assert result.exit_code == 1
    assert f"No server answers at {address}" in result.stderr
    assert _call("health", "--address", address).exit_code == 1


def test_an_address_without_a_port_is_said() -> None:
    result = _call("complete", "new", "--server", "localhost")

    assert result.exit_code == 1
    assert "not HOST:PORT" in result.stderr


def test_inspect_shows_a_bundle_and_finds_a_changed_byte(tmp_path: Path) -> None:
    folder = _bundle(tmp_path, "v1")
    table = _call("inspect", folder)
    document = json.loads(_call("inspect", folder, "--json").stdout)
    (folder / "weights.bin").write_bytes(b"x" * 999 + b"y")
    damaged = _call("inspect", folder)

    assert table.exit_code == 0
    assert "2026-01-01" in table.stdout
    assert document["query_count"] == 7
    assert document["size_bytes"] == 1000
    assert damaged.exit_code == 1
    assert "weights.bin" in damaged.stderr


def test_a_registry_without_models_is_said_by_serve(tmp_path: Path) -> None:
    result = _run("serve", "--registry", str(tmp_path / "none"), "--metrics-address", "off")

    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'none'}: ")
    assert result.stderr.count("\n") == 1


def test_activate_rolls_back_to_a_version_that_is_there(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        _bundle(tmp_path, version)
    registry = Registry(tmp_path)
    registry.activate("shop", "v2")

    assert _call("activate", "shop", "v1", "--registry", tmp_path).exit_code == 0
    assert registry.active_version("shop") == "v1"
    missing = _call("activate", "shop", "v3", "--registry", tmp_path)
    assert missing.exit_code == 1
    assert "It has: v1, v2." in missing.stderr
    assert registry.active_version("shop") == "v1"


def test_rollback_goes_to_the_version_before_and_says_how_to_undo_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for version in ("v1", "v2", "v3"):
        _bundle(tmp_path, version)
        registry.activate("shop", version)

    back = _call("rollback", "shop", "--registry", tmp_path)
    assert back.exit_code == 0
    assert "shop: version v2 is active in place of v3" in back.stdout
    assert "`autocomplete activate shop v3`" in back.stdout
    assert _call("rollback", "shop", "--registry", tmp_path).exit_code == 0
    assert registry.active_version("shop") == "v1"
    first = _call("rollback", "shop", "--registry", tmp_path)
    assert first.exit_code == 1
    assert "no version before v1" in first.stderr
    assert _call("rollback", "other", "--registry", tmp_path).exit_code == 1


def test_rollback_to_a_damaged_version_changes_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for version in ("v1", "v2"):
        _bundle(tmp_path, version)
        registry.activate("shop", version)
    (tmp_path / "shop" / "v1" / "weights.bin").write_bytes(b"y" * 1000)

    assert _call("rollback", "shop", "--registry", tmp_path).exit_code == 1
    assert registry.active_version("shop") == "v2"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("serve", "--redis", "http://example"), "--redis"),
        (("serve", "--config", "no-such.toml"), "no-such.toml"),
        (("inspect", "no-such-bundle"), "no-such-bundle"),
        (("complete", "x", "--bundle", "b", "--server", "s:1"), "--bundle"),
        (("complete", "x", "--words", "--generated", "off"), "--generated"),
        (("complete", "x", "--generated", "on"), "--generated"),
        (("serve", "--generated", "on"), "--generated"),
        (("serve", "--min-probability", "2"), "--min-probability"),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _call(*arguments)

    assert result.exit_code in (1, 2)
    assert named in result.stderr
    assert "Traceback" not in result.output
