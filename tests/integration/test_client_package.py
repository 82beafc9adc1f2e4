"""What an application engineer is told works as it stands: the package by itself, and the README's snippets."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.service_twins import running

_ROOT = Path(__file__).resolve().parents[2]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_SNIPPETS = re.findall(r"```python\n(.*?)```", _README, re.DOTALL)
_OUTSIDE = """
import sys
before = set(sys.modules)
import autocomplete_client
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
"""


def test_the_package_alone_needs_grpc_and_protobuf_and_nothing_else(tmp_path: Path) -> None:
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, *build, _ROOT / "autocomplete_client"], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
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
        exec(compile(snippet.replace("127.0.0.1:50051", f"127.0.0.1:{server.port}"), "README.md", "exec"), {})

    assert capsys.readouterr().out.strip()
