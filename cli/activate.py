"""`autocomplete activate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm.errors import ModelNotFoundError


def activate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version that shall answer.")],
    registry: Annotated[Path, typer.Option(help="Folder of NAME/VERSION bundles.")] = Path("var/registry"),
) -> None:
    """Makes a published version the one that answers: to roll back, or to take one that the gate held."""
    from lm.manifest import read_manifest, verify_files
    from lm.registry import Registry

    bundles = Registry(registry)
    known = bundles.versions(model)
    if known and version not in known:
        raise ModelNotFoundError(
            f"{registry / model} has no version {version!r}.", remedy=f"It has: {', '.join(known)}."
        )
    folder = bundles.resolve(f"{model}/{version}")
    verify_files(folder, read_manifest(folder))
    bundles.activate(model, version)
    print(f"{model}: version {version} is active.")
