"""Where commands print: answers on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console


def stdout() -> Console:
    """The console of answers."""
    return Console(highlight=False)


def stderr() -> Console:
    """The console of progress and remarks."""
    return Console(stderr=True, highlight=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Prints one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))
