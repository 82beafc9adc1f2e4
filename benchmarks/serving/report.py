"""The suite's results on disk: `figures.json` by part, and a table of them.

A suite may be measured part by part: a part that is measured again replaces what it found before.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.query_completion import ROOT
from benchmarks.serving.bench import Figure

_FIGURES_FILE, _TABLE_FILE = "figures.json", "figures.md"
_MET = {True: "yes", False: "**no**", None: ""}


def setting(bundle: Path, quick: bool) -> dict[str, str]:
    """Machine, commit and settings of a run."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    models = ", ".join(
        f"{model['name']} ({model['unit']}, {model['vocabulary_size']:,} tokens, {model['ngram_count']:,} n-grams,"
        f" {model['neural_kind'] or 'no network'} of {model['parameter_count']:,} parameters)"
        for model in manifest["language_models"]
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "protobuf", "onnxruntime", "numpy"))
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short", "HEAD") + (" and changes" if _git("status", "--porcelain") else ""),
        "machine": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the part",
        "software": f"Python {platform.python_version()}, {packages}",
        "model": f"{manifest['name']}/{manifest['version']}: {manifest['query_count']:,} queries; {models}",
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
    yield "# Serving\n"
    yield "| part | figure | target | measured | met |\n| --- | --- | --- | --- | --- |"
    for part, found in parts.items():
        for figure in found["figures"]:
            cells = (figure["name"], figure["target"], figure["measured"], _MET[figure["met"]])
            yield f"| {part} | {' | '.join(cells)} |"
    settings: dict[str, list[str]] = {}
    for part, found in parts.items():
        rows = "\n".join(f"  - {name}: {value}" for name, value in found["setting"].items())
        settings.setdefault(rows, []).append(part)
    yield "\nServer on one core, load on another; metrics, default logs and admission on.\n"
    for rows, measured in settings.items():
        yield f"- {', '.join(measured)}:\n{rows}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown" if run.returncode else run.stdout.strip()
