"""Where commands print: answers on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def stdout() -> Console:
    """The console of answers."""
    return Console(highlight=False)


def stderr() -> Console:
    """The console of progress and remarks."""
    return Console(stderr=True, highlight=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Prints one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def figures_table(title: str, *columns: str) -> Table:
    """An empty table of figures: a name in the first column, figures in the others."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    return table
