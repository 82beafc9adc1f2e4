"""The command line without a server: help, errors, and where a bundle is found."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from cli.bundles import find_bundle
from cli.main import app
from cli.metrics_tables import metrics_tables
from cli.output import reported
from cli.train import EXAMPLE
from gateway.config import GatewaySettings
from lm.errors import BundleError, InputError, ModelNotFoundError
from service.config import ServerSettings
from service.settings import ProgramSettings, describe
from tests.service_twins import registry_of
from training.config import describe as describe_training
from training.config import load_config

_ROOT = Path(__file__).resolve().parents[2]


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom cli.main import main\nsys.argv = ['autocomplete', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'onnxruntime', 'numpy', 'numba', 'grpc', 'pydantic', 'duckdb', 'ibis', 'matplotlib'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True)

    assert "serve" in run.stdout
    assert run.stdout.endswith("heavy: []\n")


def test_a_server_without_redis_does_not_import_it() -> None:
    program = (
        "import sys\nfrom prometheus_client import CollectorRegistry\nfrom service.app import Metrics, open_answers\n"
        "from service.config import load_settings\n"
        "for url in (None, 'redis://127.0.0.1:1/0'):\n"
        "    open_answers(load_settings({'registry': '.', 'redis': url}, None), Metrics(CollectorRegistry()))\n"
        "    print('redis' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["False", "True"]


def test_help_of_train_has_every_field_and_an_example_that_is_valid(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["train", "--help"]).stdout
    (tmp_path / "example.toml").write_text(EXAMPLE, encoding="utf-8")

    assert load_config(tmp_path / "example.toml").name == "shop"
    for field, _, description in describe_training():
        assert f"  {field}" in shown
        assert description in shown


def test_no_help_offers_what_no_server_does_yet() -> None:
    commands = [command.callback.__name__ for command in app.registered_commands if command.callback]
    for arguments in ([], *([name] for name in commands)):
        shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments, "--help"]).stdout
        found = re.search(r"personal history", shown)
        assert found is None, found


@pytest.mark.parametrize(("command", "kind"), [("serve", ServerSettings), ("gateway", GatewaySettings)])
def test_help_has_every_setting(command: str, kind: type[ProgramSettings]) -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [command, "--help"]).stdout

    for flag, variable, _, description in describe(kind):
        assert flag in shown
        assert variable in shown
        assert description.split()[0] in shown
    assert "NAME,NAME..." in shown
    assert "(default: unset)" in shown
    assert re.search(r"tuple|\bstr\b|\bfloat\b|\bint\b|None|\(\)", shown) is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--wrokers", "2"], "No such option: --wrokers (did you mean --workers?)"),
        (["--workers"], "--workers: expected one argument"),
        (["here"], "unrecognized arguments: here"),
    ],
)
def test_a_wrong_flag_is_a_usage_error(arguments: list[str], problem: str) -> None:
    run = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["serve", *arguments])

    assert run.exit_code == 2
    assert problem in run.stderr


def test_flags_reach_the_program_as_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("workers = 3\nmax_streams = 7\n", encoding="utf-8")
    served: list[ServerSettings] = []
    monkeypatch.setattr("service.workers.process.serve", served.append)
    flags = ["--config", str(tmp_path / "server.toml"), "--models=a, b", "--workers", "2"]

    assert CliRunner().invoke(app, ["serve", *flags]).exit_code == 0
    (settings,) = served
    assert (settings.models, settings.workers, settings.max_streams) == (("a", "b"), 2, 7)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("a.txt", "is\nempty.", remedy="Fill it."), "Error: a.txt: is empty. Fill it.\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "b.txt"), "Error: b.txt: No such file.\n"),
        (OSError(errno.ENOSPC, "No space left"), "Error: the disk is full. Make room,"),
        (ModuleNotFoundError("x", name="torch.nn"), "'torch' is not installed; `autocomplete train` needs it."),
        (
            ModuleNotFoundError("x", name="torch"),
            "Run `pip install '.[train]'` in the folder of this project's source.",
        ),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(
    error: Exception, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, reported("train"):
        raise error

    shown = capsys.readouterr().err
    assert caught.value.exit_code == 1
    assert expected in shown
    assert shown.count("\n") == 1


def test_every_hint_names_extras_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    extras = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    for command in app.registered_commands:
        assert command.callback is not None
        with pytest.raises(typer.Exit), reported(command.callback.__name__):
            raise ModuleNotFoundError("x", name="x")
        hint = re.search(r"pip install '\.\[(.+)\]'", capsys.readouterr().err)
        assert hint is not None
        assert set(hint[1].split(",")) <= set(extras)


def test_no_text_tells_to_install_a_package_that_no_index_has() -> None:
    files = (path for path in _ROOT.glob("[a-z]*/**/*") if path.suffix in (".py", ".sh", ".md", ".html"))
    named = re.compile(r"pip install [^`\n]*autocomplete[-_]ensemble")

    assert [path for path in files if named.search(path.read_text(encoding="utf-8"))] == []


def test_an_interrupt_is_said_and_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, reported("train"):
        raise KeyboardInterrupt

    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_a_bundle_is_found_by_folder_and_by_model(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, {"shop": ["v1", "v2"]})

    assert find_bundle(registry / "shop" / "v1") == registry / "shop" / "v1"
    assert find_bundle(registry / "shop") == registry / "shop" / "v2"
    with pytest.raises(BundleError, match="Name a model"):
        find_bundle(registry)


def test_a_model_without_an_active_version_is_not_guessed(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, {"shop": ["v1"]})
    (registry / "shop" / "ACTIVE").unlink()

    with pytest.raises(ModelNotFoundError):
        find_bundle(registry / "shop")


def test_metrics_that_were_not_measured_are_left_out() -> None:
    assert metrics_tables({}) == []
    (table,) = metrics_tables({"queries": {"all": {"count": 1200, "mrr_at_10": 0.26, "success_at_10": 0.4}}})
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)

    assert "1,200" in capture.get()
    assert "0.260" in capture.get()


def test_what_is_typed_must_be_text() -> None:
    result = CliRunner().invoke(app, ["complete", "caf\udce9"])

    assert result.exit_code == 2
    assert "not UTF-8 text" in result.output
