"""What the suite finds: figures with their targets, on disk as `figures.json` by part and as a table.

A suite may be measured part by part: a part that is measured again replaces what it found before.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.command import ROOT
from lm.bundle.manifest import read_manifest

_FIGURES_FILE, _TABLE_FILE = "figures.json", "figures.md"
_MET = {True: "yes", False: "**no**", None: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A row of the table.

    Attributes:
        met: None where there is no target.
    """

    name: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_most(name: str, value: float, limit: float, measured: str = "", *, unit: str = "") -> Figure:
    """A figure that should be this much or less; `measured` says more than the value."""
    shown = f"{value:.3g}{unit}" + (f" ({measured})" if measured else "")
    return Figure(name=name, measured=shown, target=f"{limit:g}{unit} or less", met=value <= limit)


def at_least(name: str, value: float, limit: float, measured: str) -> Figure:
    """A figure that should be this much or more; see `at_most`."""
    return Figure(name=name, measured=f"{value:.3g} ({measured})", target=f"{limit:g} or more", met=value >= limit)


def none(name: str, count: int, measured: str = "") -> Figure:
    """A count that should be 0."""
    return Figure(name=name, measured=f"{count}" + (f" ({measured})" if measured else ""), target="0", met=not count)


def degraded(name: str, share: float) -> Figure:
    """The share of answers in which a part of the ensemble was left out."""
    shown = "0" if share == 0 else f"{share:.2%}"
    return Figure(name=f"{name}: degraded answers", measured=shown, target="under 1%", met=share < 0.01)


def ms(seconds: float) -> str:
    """Milliseconds as people read them."""
    return f"{seconds * 1000:.3f} ms" if math.isfinite(seconds) else "none"


def setting(bundle: Path, *, quick: bool) -> dict[str, str]:
    """Machine, commit and settings of a run."""
    manifest = read_manifest(bundle)
    sizes = ", ".join(f"{model.name} of {model.ngram_count:,} n-grams" for model in manifest.language_models)
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit or "unknown",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the part",
        "model": f"{manifest.name}/{manifest.version}: {manifest.query_count:,} queries, {sizes}",
        "effort": "quick: too few calls for figures" if quick else "full",
    }


def save(folder: Path, part: str, figures: Sequence[Figure], found_in: dict[str, str]) -> None:
    """Adds a part's figures, in place of those that it found before, and writes the table anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _FIGURES_FILE
    parts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    parts[part] = {"setting": found_in, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(parts, indent=1), encoding="utf-8")
    (folder / _TABLE_FILE).write_text("\n".join(_table(parts)) + "\n", encoding="utf-8")


def _table(parts: dict[str, Any]) -> Iterator[str]:
    yield "# Serving\n\n| part | figure | target | measured | met |\n| --- | --- | --- | --- | --- |"
    for part, found in parts.items():
        for figure in found["figures"]:
            cells = (figure["name"], figure["target"], figure["measured"], _MET[figure["met"]])
            yield f"| {part} | {' | '.join(cells)} |"
    yield "\nServer on one core, load on another; metrics, default logs and admission on.\n"
    for part, found in parts.items():
        yield f"- {part}: {'; '.join(found['setting'].values())}"
