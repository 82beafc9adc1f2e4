"""Where CI=true, a skipped test turns the run red; elsewhere it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import allowed

_ROOT = Path(__file__).resolve().parents[2]
_MODULE = "import pytest\ndef test_runs(): pass\n@pytest.mark.skip\ndef test_left_out(): pass\n"
_XFAIL = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_fails(): assert False\n"


def _run(folder: Path, module: str, *options: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(module)
    variables = {**os.environ, "CI": ci, "PYTHONPATH": str(_ROOT)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.skips",
        "-p",
        "no:cacheprovider",
        "--rootdir=.",
        *options,
        ".",
    ]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skip_fails_the_run_only_in_ci(tmp_path: Path, ci: str, status: int) -> None:
    run = _run(tmp_path, _MODULE, ci=ci)

    assert run.returncode == status, run.stdout
    assert ("test_it.py::test_left_out" in run.stdout) == bool(status)


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert _run(tmp_path, _XFAIL, ci="true").returncode == 0


def test_a_listed_skip_needs_a_reason(tmp_path: Path) -> None:
    listing = tmp_path / "allowed.txt"
    listing.write_text("# comment\ntests/test_a.py::test_b  needs a GPU\n")
    assert allowed(listing) == {"tests/test_a.py::test_b"}

    listing.write_text("tests/test_a.py::test_b\n")
    with pytest.raises(ValueError, match="no reason"):
        allowed(listing)


def test_a_skip_in_another_process_counts_too(tmp_path: Path) -> None:
    run = _run(tmp_path, "import pytest\npytest.skip('as a whole', allow_module_level=True)\n", "-n2", ci="true")

    assert run.returncode, run.stdout
    assert "SKIPPED WITHOUT A REASON in allowed_skips.txt: test_it.py" in run.stdout
