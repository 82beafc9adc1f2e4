"""What a user sees when something goes wrong: one paragraph on stderr and an exit code, never a trace."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lm.errors import AutocompleteError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
_DISTRIBUTION = "autocomplete-ensemble"
_EXTRAS = {
    "train": (
        *("duckdb", "ibis", "jinja2", "matplotlib", "onnx", "phonenumbers"),
        *("pyarrow", "stdnum", "torch", "zstandard"),
    ),
    "gateway": ("httptools", "orjson", "starlette", "uvicorn", "websockets"),
    "server": ("grpc_health", "grpc_reflection", "grpc_status", "prometheus_client", "redis", "structlog"),
    "shell": ("prompt_toolkit",),
}


@contextmanager
def reported() -> Iterator[None]:
    """Turns errors that a user can mend into one line on stderr and an exit.

    Raises:
        typer.Exit: with the exit code, after the line is printed.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        raise  # the reader of our output left (`| head`): typer ends quietly
    except (AutocompleteError, ModuleNotFoundError, OSError) as error:
        paragraph = " ".join(_explain(error).split("\n"))
        print(f"Error: {paragraph}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None


def _explain(error: AutocompleteError | ModuleNotFoundError | OSError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return _explain_missing(error.name or str(error))
    if isinstance(error, OSError):
        return _explain_system(error)
    return str(error)


def _explain_missing(module: str) -> str:
    package = module.partition(".")[0]
    for extra, packages in _EXTRAS.items():
        if package in packages:
            return (
                f"The Python library {package!r} is not installed; this command needs it. "
                f"Install it with `pip install '{_DISTRIBUTION}[{extra}]'`."
            )
    return f"The Python module {module!r} is missing. Install again: `pip install {_DISTRIBUTION}`."


def _explain_system(error: OSError) -> str:
    name = error.filename2 or error.filename  # of two the one that is written
    place = f"{name}: " if name is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{place}the disk is full. Make room, or choose folders on another disk, then run the same command again."
        )
    return f"{place}{error.strerror or error}."
