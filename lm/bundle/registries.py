"""Opens a registry: a folder, or a URL."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lm.bundle.bundle_cache import BundleCache
from lm.bundle.bundle_store import BundleStore
from lm.bundle.registry import Registry
from lm.bundle.verified import VerifiedBundles
from lm.models.user_cache import writable_cache

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def is_url(location: str) -> bool:
    """Whether a registry's location is a URL, and not a folder."""
    return _URL.match(location) is not None


def open_registry(location: str | Path, cache: Path | None = None) -> BundleStore:
    """Opens a registry; `file://` is the folder that it names.

    Args:
        cache: folder for the copies of bundles that lie at a URL; None: below `writable_cache()`.

    Raises:
        MissingToolError: no library for URLs of this kind is installed.
        RegistryError: the URL cannot be used.
        OSError: there is no place for a cache.
    """
    text = str(location)
    if not is_url(text):
        return Registry(Path(location))
    if text.lower().startswith("file://"):
        return Registry(Path(unquote(urlsplit(text).path)))
    from lm.bundle.remote_registry import RemoteRegistry

    root = cache or writable_cache()
    folder = root / "bundles" / hashlib.sha256(text.rstrip("/").encode()).hexdigest()[:16]
    return RemoteRegistry(text, BundleCache(folder, verified_bundles(root)))


def verified_bundles(cache: Path) -> VerifiedBundles:
    """The records of checks below a cache folder."""
    return VerifiedBundles(cache / "verified")
