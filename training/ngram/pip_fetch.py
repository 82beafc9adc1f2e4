"""Fetches pinned packages with pip, so that the user's own index, proxy and certificates are used here too."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lm.errors import InputError, MissingToolError, UnavailableError
from training.progress import Task

_POLL_S = 0.2
_NO_CONNECTION = re.compile(
    r"NewConnectionError|NameResolutionError|Connection(Reset|Refused)?Error|connection broken|ProxyError|"
    r"ConnectTimeout|Read ?timed ?out|Max retries exceeded|SSLError|Network is unreachable",
    re.IGNORECASE,
)
_NOT_OFFERED = re.compile(r"Could not find a version|No matching distribution", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One release of a package, and the checksums of its files.

    Attributes:
        sha256: of each file that may be used (one for each platform).
        size: about how many bytes the file has; for the progress bar.
    """

    name: str
    version: str
    sha256: tuple[str, ...]
    size: int

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
        scratch: an empty folder for pip's temporary files; the caller removes it.
        environment: variables besides those of this process.

    Raises:
        MissingToolError: this Python has no pip, or there is no such file for this platform.
        UnavailableError: the package index cannot be reached.
        InputError: a file is not the expected one.
        OSError: the disk is full; `reports_disk_errors` turns it into an error for the user.
    """
    requirements = scratch / "requirements.txt"
    requirements.write_text("".join(map(_requirement, packages)), encoding="utf-8")
    temporary = scratch / "tmp"
    temporary.mkdir()
    arguments = [sys.executable, "-m", "pip", *command, "--no-deps", "--require-hashes"]
    arguments += ["--requirement", str(requirements)]
    arguments += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-color"]
    variables = {
        **os.environ,
        "TMPDIR": str(temporary),
        "PIP_ROOT_USER_ACTION": "ignore",
        **(environment or {}),
    }
    lines, code = _watch(arguments, variables, scratch, sum(package.size for package in packages), task)
    if code:
        raise _explain(lines, packages)


def _requirement(package: Pinned) -> str:
    return f"{package} " + " ".join(f"--hash=sha256:{digest}" for digest in package.sha256) + "\n"


def _watch(
    arguments: Sequence[str], variables: Mapping[str, str], scratch: Path, total: int, task: Task
) -> tuple[list[str], int]:
    """Runs a program; the bytes that it has fetched and its newest line go to the task."""
    log = scratch / "output.txt"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            arguments, env=dict(variables), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        fetched = 0
        try:
            while (code := _exit_code(process)) is None:
                fetched = max(fetched, min(_size(scratch), total))
                task.update(fetched, total=total, note=_note(_lines(log)))
        except BaseException:
            process.terminate()
            raise
    return _lines(log), code


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Waits a little for a program to end."""
    try:
        return process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return None


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def _size(folder: Path) -> int:
    """Bytes of all files. A file that is removed in the meantime counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except OSError:
                continue
    return total


def _note(lines: Sequence[str]) -> str:
    """The newest line of pip, short, without the brackets that are mark-up to a terminal."""
    last = next((line for line in reversed(lines) if line.strip() and not line.startswith("WARNING")), "")
    return last.strip().replace("[", "(").replace("]", ")")[:60]


def _explain(lines: Sequence[str], packages: Sequence[Pinned]) -> Exception:
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
    if "No space left on device" in text or f"Errno {errno.ENOSPC}" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
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
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), _note(lines))
    return MissingToolError(f"pip could not fetch {names}: {last}.", remedy="Correct that and start again.")


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
