"""`autocomplete activate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lm.errors import ModelNotFoundError

if TYPE_CHECKING:
    from lm.bundle.registry import BundleStore


def activate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version that shall answer.")],
    registry: Annotated[str, typer.Option(help="Folder of NAME/VERSION bundles, or its URL.")] = "var/registry",
) -> None:
    """Makes a published version the one that answers, such as one that the gate held."""
    from lm.bundle.registry import open_registry

    bundles = open_registry(registry)
    known = bundles.versions(model)
    if known and version not in known:
        raise ModelNotFoundError(
            f"{model} has no version {version!r} in {bundles.location}.", remedy=f"It has: {', '.join(known)}."
        )
    activate_version(bundles, model, version)


def activate_version(bundles: BundleStore, model: str, version: str) -> None:
    """Checks a version, makes it active and says what changed.

    Raises:
        ModelNotFoundError: there is no such version.
        BundleError: it is damaged.
    """
    from lm.bundle.manifest import read_manifest, verify_files

    folder = bundles.resolve(f"{model}/{version}")
    verify_files(folder, read_manifest(folder))
    former = bundles.active_version(model)
    bundles.activate(model, version)
    instead = f" in place of {former}" if former not in (None, version) else ""
    print(f"{model}: version {version} is active{instead}; servers follow at their next look (`--reload-s`).")
