"""Where commands print: answers on stdout, progress and errors on stderr.

An error is one paragraph and an exit code, never a stack trace.
"""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lm.errors import AutocompleteError, install_hint

_SHORT = 10
"""Letters of cells that a narrow table does not break."""
EXIT_FAILED = 1
EXIT_NOT_ACTIVATED = 3  # 2 is that of a wrong command line
EXIT_INTERRUPTED = 130
EXIT_CODES = (
    "Exit codes: 0: all went well. 1: it failed, and one paragraph says why and what to do. 2: the command line is"
    " wrong. 3: a model was trained and published, but not activated, for it measures worse than the active one."
    " 130: stopped by Ctrl-C."
)
_EXTRAS = {
    "init": "train",
    "train": "train",
    "evaluate": "train",
    "demo": "server,train",
    "serve": "server",
    "health": "server",
    "complete": "server",
    "gateway": "gateway",
    "shell": "shell",
}
"""Optional libraries that a command needs, by its name."""


def stdout() -> Console:
    """The console of answers."""
    return Console(highlight=False)


def stderr() -> Console:
    """The console of progress and remarks."""
    return Console(stderr=True, highlight=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Prints one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def counted(count: int, one: str, many: str) -> str:
    """A count with the name of what is counted."""
    return f"{count:,} {one if count == 1 else many}"


def figures_table(title: str, *columns: str) -> Table:
    """An empty table of figures: a name in the first column, figures in the others."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    return table


def print_rows(rows: Sequence[Mapping[str, str]]) -> None:
    """Prints a table of rows, each with its cells by column, without the columns that no row fills.

    Cells of the first column and of those with short cells are not broken.
    """
    if not rows:
        stdout().print("There are none.")
        return
    table = Table(caption=f"{len(rows)} in all", caption_justify="left")
    named = dict.fromkeys(column for row in rows for column in row)
    columns = [column for column in named if any(row.get(column) for row in rows)]
    for column in columns:
        is_short = all(len(row.get(column, "")) <= _SHORT for row in rows)
        table.add_column(column, overflow="fold", no_wrap=is_short or column == columns[0])
    for row in rows:
        table.add_row(*(escape(row.get(column, "")) for column in columns))
    stdout().print(table)


@contextmanager
def reported(command: str) -> Iterator[None]:
    """Turns errors of a command that a user can mend into one line on stderr and an exit.

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
        print("Error:", _explain(error, command).replace("\n", " "), file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from None


def _explain(error: AutocompleteError | ModuleNotFoundError | OSError, command: str) -> str:
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or str(error)).partition(".")[0]
        needed = f"The Python library {package!r} is not installed; `autocomplete {command}` needs it."
        return f"{needed} {install_hint(_EXTRAS.get(command, 'server'))}"
    if isinstance(error, OSError):
        name = error.filename2 or error.filename  # of two the one that is written
        place = f"{name}: " if name is not None else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Make room, or choose folders on another disk, then run the same command again."
            return f"{place}the disk is full. {remedy}"
        return f"{place}{error.strerror or error}."
    return str(error)
