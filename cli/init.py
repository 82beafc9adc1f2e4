"""`autocomplete init`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import stdout

if TYPE_CHECKING:
    from training.starter.parts import Part


def init(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Query logs, catalogues of titles or products, texts, in any mixture."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="NAME.toml", help="File to write. If not given: as the first file, with `.toml`."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrites the file if it is there.")] = False,
) -> None:
    """Looks at files and writes a configuration that trains on them.

    It reads the first rows of each file, finds out what its columns are for, and says so in the comments of the
    configuration. It asks nothing. The next step is `autocomplete train NAME.toml`.
    """
    from training.starter.parts import find_parts
    from training.starter.toml import check_free, write_configuration

    path = out or Path(f"{_stem(files[0])}.toml")
    check_free(path, files, overwrite=force)
    parts = find_parts(files)
    name = write_configuration(path, parts)
    lines = [f"{_listed(part.paths)}: {part.found()}." for part in parts]
    lines += [
        f"\nWrote {path} for a model named {name}. Next:",
        f"  autocomplete train {shlex.quote(str(path))}",
        f"  autocomplete complete {_example(parts)} --bundle {shlex.quote(str(path.parent / 'var/registry' / name))}",
    ]
    for line in lines:
        stdout().print(line, markup=False, soft_wrap=True)


def _listed(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(map(str, paths[:3])) + more


def _example(parts: Sequence[Part]) -> str:
    """Something to type: the beginning of the most frequent query, or of the text."""
    for part in parts:
        if part.finding.kind != "text" and part.facts.queries:
            return shlex.quote(part.facts.queries[0][:3].strip())
    return f"--words {shlex.quote(' '.join(parts[0].finding.texts[0].split()[:2]) + ' ')}"


def _stem(path: Path) -> str:
    """The file's name up to its first dot."""
    return path.name.partition(".")[0] or "autocomplete"
