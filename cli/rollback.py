"""`autocomplete rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.activate import activate_version
from lm.errors import ModelNotFoundError


def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")],
    registry: Annotated[str, typer.Option(help="Folder of NAME/VERSION bundles, or its URL.")] = "var/registry",
) -> None:
    """Makes the version that answered before the active one active again; what is trained later does not undo it."""
    from lm.bundle.registry import open_registry

    bundles = open_registry(registry)
    active = bundles.activation(model)
    previous = None if active is None else active.previous(bundles.versions(model))
    if active is None or previous is None:
        there = ", ".join(bundles.versions(model)) or "none"
        raise ModelNotFoundError(
            f"{model} has no version before {active.version if active else 'the active one'} in {bundles.location}.",
            remedy=f"Versions there: {there}.",
        )
    activate_version(bundles, model, previous)
    print(f"Until `autocomplete activate {model} {active.version}` undoes it, training publishes without activating.")
