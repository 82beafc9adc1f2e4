"""What an application engineer is told works as it stands: the package by itself, and the snippets of the guide."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from tests.service_twins import running

_ROOT = Path(__file__).resolve().parents[2]
_GUIDE = (_ROOT / "docs" / "guides" / "call-it.md").read_text(encoding="utf-8")
_SNIPPETS = re.findall(r"```python\n(.*?)```", _GUIDE, re.DOTALL)
_OUTSIDE = """
import sys
before = set(sys.modules)
import autocomplete_client
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
"""


def _building_in(folder: Path, *settings: str) -> dict[str, str]:
    """The environment for a build that writes nothing into the checkout, and finds nothing old there."""
    lines = ["[build]", f"build_base={folder}/build", "[egg_info]", f"egg_base={folder}", *settings]
    (folder / "build.cfg").write_text("\n".join(lines), encoding="utf-8")
    return {**os.environ, "DIST_EXTRA_CONFIG": str(folder / "build.cfg")}


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    command = [sys.executable, *build, str(_ROOT / "autocomplete_client")]
    subprocess.run(command, check=True, cwd=folder, env=_building_in(folder))
    (wheel,) = folder.glob("*-py3-none-any.whl")
    return wheel


@pytest.fixture(scope="module")
def server_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `pip wheel` makes it, but without the compiled kernels, which take a minute."""
    folder = tmp_path_factory.mktemp("server")
    environment = _building_in(
        folder, "[bdist_wheel]", "skip_build=1", f"bdist_dir={folder}/bdist", f"dist_dir={folder}"
    )
    build = [sys.executable, "setup.py", "--quiet", "build_py", "bdist_wheel"]
    subprocess.run(build, check=True, cwd=_ROOT, env=environment, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _read(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [each for each in archive.namelist() if each.endswith(f".dist-info/{name}")]
        return archive.read(path).decode("utf-8")


def _files(wheel: Path) -> set[str]:
    return {row[0] for row in csv.reader(_read(wheel, "RECORD").splitlines())}


def test_no_file_belongs_to_both_wheels(client_wheel: Path, server_wheel: Path) -> None:
    client, server = _files(client_wheel), _files(server_wheel)

    assert "service/app.py" in server
    assert {"autocomplete_client/channel.py", "autocomplete/v1/autocomplete_service_pb2.py"} <= client
    assert {"autocomplete_client/_async/client.py", "autocomplete_client/_sync/client.py"} <= client
    assert client & server == set()


def test_the_server_requires_a_client_that_no_index_can_have(client_wheel: Path, server_wheel: Path) -> None:
    client, server = (message_from_string(_read(wheel, "METADATA")) for wheel in (client_wheel, server_wheel))
    public, _, local = client["Version"].partition("+")

    assert f"{client['Name']}=={client['Version']}" in server.get_all("Requires-Dist", [])
    assert public == server["Version"]
    assert local, "PyPI would take this version from anyone, and `pip install .` would fetch it"


def test_the_client_stays_whole_when_the_server_goes(client_wheel: Path, server_wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", client_wheel, server_wheel], check=True)
    subprocess.run([*pip, "uninstall", "--yes", "autocomplete-ensemble"], check=True)

    (own,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    run = [str(python), "-c", "import autocomplete_client as client; print(client.__file__)"]
    shown = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert Path(shown.strip()).is_relative_to(tmp_path)


def test_the_package_alone_needs_grpc_and_protobuf_and_nothing_else(client_wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(client_wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    run = subprocess.run(
        [sys.executable, "-c", _OUTSIDE],
        env={"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    optional = {"grpc_health", "grpc_reflection", "grpc_status", "grpc_tools"}  # which gRPC tries to import itself
    needed = {"autocomplete", "autocomplete_client", "google", "grpc", "typing_extensions"}
    loaded = {name for name in run.stdout.split() if "cython" not in name}  # what Cython's modules bring
    assert loaded <= needed | optional
    assert {"autocomplete_client/py.typed", "autocomplete/v1/py.typed"} <= set(names)
    assert "autocomplete/v1/autocomplete_service_pb2.pyi" in names


@pytest.mark.parametrize("snippet", _SNIPPETS, ids=[str(number) for number in range(len(_SNIPPETS))])
def test_snippets_of_the_readme_run(snippet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path) as (server, _channel):
        exec(compile(snippet.replace("127.0.0.1:50051", f"127.0.0.1:{server.port}"), "call-it.md", "exec"), {})

    assert capsys.readouterr().out.strip()
