"""Fetches pinned packages with pip, so that the user's own index, proxy and certificates are used here too."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lm.errors import AutocompleteError, InputError, MissingToolError, UnavailableError
from training.progress import Task

_NO_CONNECTION = re.compile(
    r"NewConnectionError|NameResolutionError|Connection(Reset|Refused)?Error|connection broken|ProxyError|"
    r"ConnectTimeout|Read ?timed ?out|Max retries exceeded|SSLError|Network is unreachable",
    re.IGNORECASE,
)
_DISK_FULL = re.compile(rf"No space left on device|Errno {errno.ENOSPC}\b")
_NOT_OFFERED = re.compile(r"Could not find a version|No matching distribution", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One release of a package, and the checksums of its files.

    Attributes:
        sha256: of each file that may be used (one for each platform).
    """

    name: str
    version: str
    sha256: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def run_pip(
    command: Sequence[str],
    packages: Sequence[Pinned],
    *,
    scratch: Path,
    task: Task,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs `pip COMMAND` for exactly these files, without their dependencies.

    Args:
        command: `install` or `download` and its options.
        scratch: a folder for pip's temporary files.
        environment: variables besides those of this process.

    Raises:
        MissingToolError: this Python has no pip, or there is no such file for this platform.
        UnavailableError: the package index cannot be reached.
        InputError: a file is not the expected one.
        OSError: the disk is full; `reports_disk_errors` turns it into an error for the user.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as temporary:
        requirements = Path(temporary) / "requirements.txt"
        requirements.write_text("\n".join(map(_requirement, packages)), encoding="utf-8")
        arguments = [sys.executable, "-m", "pip", *command, "--no-deps", "--require-hashes"]
        arguments += ["--requirement", str(requirements)]
        arguments += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-color"]
        variables = {**os.environ, "TMPDIR": temporary, "PIP_ROOT_USER_ACTION": "ignore", **(environment or {})}
        code, lines = run_and_read(arguments, variables, lambda line: task.update(0, note=_note(line)))
    if code:
        raise _explain(lines, packages)


def _requirement(package: Pinned) -> str:
    return f"{package} " + " ".join(f"--hash=sha256:{digest}" for digest in package.sha256)


def run_and_read(
    arguments: Sequence[str], variables: Mapping[str, str], on_line: Callable[[str], None] = lambda _: None
) -> tuple[int, list[str]]:
    """Runs a program and reads each line that it prints.

    Returns:
        The exit code and all lines.

    Raises:
        OSError: the program failed because the disk is full.
    """
    lines: list[str] = []
    with subprocess.Popen(
        arguments,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            lines.append(line.strip())
            on_line(lines[-1])
    if process.returncode and any(_DISK_FULL.search(line) for line in lines):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return process.returncode, lines


def _note(line: str) -> str:
    """A line of pip, short, without the brackets that are mark-up to a terminal."""
    return "" if line.startswith("WARNING") else line.replace("[", "(").replace("]", ")")[:60]


def _explain(lines: Sequence[str], packages: Sequence[Pinned]) -> AutocompleteError:
    text = "\n".join(lines)
    names = ", ".join(map(str, packages))
    if "No module named pip" in text:
        return MissingToolError(
            f"{sys.executable} has no pip, which fetches {names}.",
            remedy="Install it: `apt install python3-pip python3-venv`, or `python -m ensurepip`.",
        )
    if "DO NOT MATCH THE HASHES" in text:
        return InputError(
            names,
            "the package index gave a file, but its checksum is not the expected one.",
            remedy="Try again after `python -m pip cache purge`; if it stays so, do not trust that index.",
        )
    if _NO_CONNECTION.search(text):
        return UnavailableError(
            f"The package index that pip uses cannot be reached, so {names} cannot be fetched.",
            remedy="Connect to the network, or set pip's index or proxy (`pip config`), and start again.",
        )
    if _NOT_OFFERED.search(text):
        return MissingToolError(
            f"The package index that pip uses offers no {names} for this Python and platform.",
            remedy="Use CPython 3.11 to 3.13 on Linux (x86-64 or ARM), or an index that mirrors all of PyPI.",
        )
    said = [line for line in lines if line.startswith("ERROR")] or lines or ["no message"]
    return MissingToolError(f"pip could not fetch {names}: {said[-1]}.", remedy="Correct that and start again.")


@contextmanager
def reports_disk_errors(folder: Path) -> Iterator[None]:
    """Turns a full disk, or a folder without write permission, into an error with a remedy.

    Raises:
        InputError: names `folder`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Free some space there and start again."
            raise InputError(folder, "the disk is full.", remedy=remedy) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem = f"cannot be written: {error.strerror}."
            raise InputError(folder, problem, remedy="Give yourself write permission there.") from None
        raise
