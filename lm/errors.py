"""Errors that a user can mend.

Each carries what was wrong, where, and what to do; `str(error)` is one paragraph fit for a terminal.

    AutocompleteError
    |-- InputError              a file that a user gave cannot be used (path, line, byte)
    |-- ConfigError             a setting is wrong (file, field)
    |-- RequestError            a request's field is wrong (field, reason)
    |-- MissingToolError        a program or library that a step needs is not there
    |-- RegistryError           a registry at a URL cannot be reached, or what it holds not be stored
    |-- BundleError             a bundle cannot be opened
    |   |-- BundleVersionError  ... because it is of another release
    |   `-- BundleDamagedError  ... because a file is not as its manifest says
    |-- ModelNotFoundError      no such model in the registry
    |-- ModelLoadingError       the model is still being read
    |-- UnsupportedError        the model has no part that the call needs
    |-- OverloadedError         more load than can be answered in time
    |-- EntryNotFoundError      no such entry in the live state
    |-- StoreUnavailableError   the store of the live state cannot be reached, or takes nothing
    `-- UnavailableError        a server does not answer, a port is taken
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

RequestFault = Literal["TEXT_TOO_LONG", "OUT_OF_RANGE", "MALFORMED"]


class AutocompleteError(Exception):
    """Root of all errors that are reported without a stack trace."""

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class InputError(AutocompleteError):
    """A file that a user gave cannot be used."""

    def __init__(
        self,
        path: Path | str,
        problem: str,
        *,
        line: int | None = None,
        byte: int | None = None,
        remedy: str = "",
    ) -> None:
        place = str(path)
        if line is not None:
            place += f", line {line}"
        if byte is not None:
            place += f", byte {byte}"
        super().__init__(f"{place}: {problem}", remedy=remedy)
        self.path = Path(path)
        self.line = line
        self.byte = byte


class ConfigError(AutocompleteError):
    """A setting is wrong."""


class RequestError(AutocompleteError):
    """A field of a request is wrong."""

    def __init__(self, field: str, problem: str, *, fault: RequestFault, remedy: str = "") -> None:
        super().__init__(f"{field}: {problem}", remedy=remedy)
        self.field = field
        self.fault: RequestFault = fault


class MissingToolError(AutocompleteError):
    """A program or library that a step needs is not there."""


class RegistryError(AutocompleteError):
    """A registry at a URL cannot be reached, or what it holds cannot be stored here; later it may."""


class BundleError(AutocompleteError):
    """A bundle cannot be opened."""


class BundleVersionError(BundleError):
    """The bundle's format, or the way in which its texts are normalised, is not the one that this program reads."""

    def __init__(self, path: Path, part: str, *, expected: int, found: object) -> None:
        super().__init__(
            f"{path}: {part} {found!r} cannot be read; this program reads {part} {expected}.",
            remedy="Train it again with this release, or serve it with the release that wrote it.",
        )
        self.expected = expected
        self.found = found


class BundleDamagedError(BundleError):
    """A file of the bundle is not as its manifest says."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}.",
            remedy="Copy or publish the bundle again; `autocomplete inspect BUNDLE` checks it.",
        )
        self.path = path


class ModelNotFoundError(AutocompleteError):
    """No such model in the registry."""


class ModelLoadingError(AutocompleteError):
    """The model is still being read."""


class UnsupportedError(AutocompleteError):
    """The model has no part that the call needs."""


class OverloadedError(AutocompleteError):
    """More load than can be answered in time."""

    def __init__(self, problem: str, *, retry_after_s: float) -> None:
        super().__init__(problem, remedy=f"Try again in {retry_after_s:g} s.")
        self.retry_after_s = retry_after_s


class EntryNotFoundError(AutocompleteError):
    """No such entry in the live state."""


class StoreUnavailableError(AutocompleteError):
    """The store of the live state cannot be reached, or takes nothing; later it may."""

    def __init__(self, problem: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(problem, remedy=f"Try again in {retry_after_s:g} s.")
        self.retry_after_s = retry_after_s


class UnavailableError(AutocompleteError):
    """A server does not answer, or a port is taken."""


def install_hint(extras: str) -> str:
    """How to install optional libraries. No package index has this project, so the hint names its own folder.

    Args:
        extras: of `pyproject.toml`, separated by commas.
    """
    return f"Run `pip install '.[{extras}]'` in the folder of this project's source."
