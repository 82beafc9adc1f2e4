"""The example for Node calls a real server, with the packages that its lock file names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service_twins import running

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages, beside a copy of the descriptors that it reads."""
    if shutil.which("npm") is None:
        pytest.skip("needs Node and npm (on Debian `apt install nodejs npm`)")
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(_ROOT / "examples", root / "examples", ignore=shutil.ignore_patterns("node_modules"))
    (root / "proto").mkdir()
    shutil.copy(_ROOT / "proto" / "released.binpb", root / "proto")
    folder = root / "examples" / "node"
    install = ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


def _run(folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "example.mjs", address]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_it_completes_a_query_and_runs_a_typing_session(example: Path, tmp_path: Path) -> None:
    with running(tmp_path) as (server, _channel):
        run = _run(example, f"127.0.0.1:{server.port}")

    assert run.returncode == 0, run.stderr
    completed, refused, *session = run.stdout.splitlines()
    assert completed == "completed: [ 'new yorc', 'new yorb' ]"
    assert refused.startswith("refused: ")
    assert "elsewhere" in refused
    assert session[-1] == "final: new y [ 'new yc', 'new yb' ]"
    assert session[:-1] in ([], ["fast: new y [ 'new ya', 'new yb' ]"])


def test_a_server_that_is_down_ends_it_with_an_error(example: Path) -> None:
    run = _run(example, "127.0.0.1:1")

    assert run.returncode != 0
    assert "UNAVAILABLE" in run.stderr
