"""With `CI=true`, a skipped test fails the run, unless `tests/allowed_skips.txt` gives a reason.

A line of that file is a test's id, two spaces and the reason; lines that start with `#` are comments.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

_ALLOWED = Path(__file__).with_name("allowed_skips.txt")
_skipped: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes a skipped test; one that is expected to fail is none."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.add(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Notes a module that was skipped as a whole."""
    if report.skipped:
        _skipped.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turns a green run with skips that nobody explained into a red one."""
    if hasattr(session.config, "workeroutput"):  # a process of pytest-xdist: the first one judges
        session.config.workeroutput["skipped"] = sorted(_skipped)
    elif unexplained() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over what a process of pytest-xdist has skipped."""
    _skipped.update(getattr(node, "workeroutput", {}).get("skipped", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which they are."""
    for nodeid in unexplained():
        terminalreporter.write_line(f"SKIPPED WITHOUT A REASON in {_ALLOWED.name}: {nodeid}", red=True)


def unexplained() -> list[str]:
    """Skipped tests that the file does not list, where that matters."""
    return sorted(_skipped - allowed(_ALLOWED)) if os.environ.get("CI") == "true" else []


def allowed(path: Path) -> set[str]:
    """Ids of the tests that may be skipped.

    Raises:
        ValueError: a line gives no reason.
    """
    nodeids = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        nodeid, separator, reason = line.partition("  ")
        if not separator or not reason.strip():
            raise ValueError(f"{path}: no reason for {line!r}")
        nodeids.add(nodeid)
    return nodeids
