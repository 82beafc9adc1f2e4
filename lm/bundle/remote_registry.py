"""A registry at a URL that fsspec opens, such as `s3://BUCKET/PREFIX`.

An object is whole or not there, but a tree of objects is not. So a bundle's manifest is uploaded last and removed
first, and a version without a manifest does not count. While somebody uploads a version, an object beside it says so.
Bundles are opened from copies on this machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lm.bundle.bundle_cache import BundleCache
from lm.bundle.manifest import MANIFEST_FILE, parse_manifest
from lm.bundle.registry import ACTIVE_FILE, Activation, BundleStore, is_model_name, taken
from lm.errors import BundleDamagedError, BundleError, MissingToolError, RegistryError, install_hint

_TRANSFERS = 4
"""Files that are copied at the same time."""
_TAGS = ("ETag", "etag", "md5Hash", "mtime", "created")
"""fsspec's libraries use these names for values that change with an object."""
_CONDITIONAL = ("s3", "s3a")
"""A write can be conditional here; the libraries for other storage do not support it."""
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
"""S3's errors if a conditional write finds another object than expected."""
_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "azure"),
}


class RemoteRegistry(BundleStore):
    """The bundles below a URL.

    Args:
        cache: holds the copies.

    Raises:
        MissingToolError: no library for URLs of this kind is installed.
        RegistryError: the URL or the credentials in the environment cannot be used.
    """

    def __init__(self, url: str, cache: BundleCache) -> None:
        self.location = url.rstrip("/")
        self.cache = cache
        self._fs, root = _open(self.location)
        self._root = root.rstrip("/")
        self._whole: dict[str, set[str]] = {}  # versions with a manifest; they lose it only with their folder

    def close(self) -> None:
        """Stops copies that are under way."""
        self.cache.stopping.set()

    def models(self) -> list[str]:
        """Names of the models that have a version, sorted.

        Raises:
            RegistryError: the registry cannot be reached; every method may raise it.
        """
        return sorted(name for name in self._folders(self._root) if self.versions(name))

    def versions(self, model: str) -> list[str]:
        """Versions of a model that are whole, oldest first; empty if there is no such model."""
        if not is_model_name(model):
            return []
        there = self._folders(f"{self._root}/{model}")
        known = self._whole.get(model, set())
        whole = {version for version in there if version in known or self._exists(model, version)}
        self._whole[model] = whole
        return sorted(whole)

    def activation(self, model: str) -> Activation | None:
        """Which version answers, or None if none was activated."""
        return _activation(self._read(f"{self._root}/{model}/{ACTIVE_FILE}"))

    def bundle_path(self, model: str, version: str) -> Path:
        """The folder of a whole copy, which is made if there is none.

        Raises:
            BundleError: there is no such version, or it is damaged.
        """
        folder = self._folder(model, version)
        manifest = self._read(f"{folder}/{MANIFEST_FILE}")
        if manifest is None:
            raise BundleError(f"{self.location} has no {model} {version}.", remedy="Publish it again.")
        files = parse_manifest(manifest, Path(f"{model}/{version}/{MANIFEST_FILE}")).files

        def download(target: Path) -> None:
            for name in files:
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts:
                    raise BundleDamagedError(Path(MANIFEST_FILE), f"names a file {name!r} outside the bundle")

            def get(name: str) -> None:
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._fs.get_file(f"{folder}/{name}", str(path), callback=_until(self.cache.stopping))
                except FileNotFoundError:
                    raise BundleDamagedError(path, f"is missing from {self.location}") from None

            self._copy(get, files)
            (target / MANIFEST_FILE).write_bytes(manifest)

        return self.cache.fetch(model, version, manifest, download)

    def fingerprint(self, model: str, version: str) -> Hashable:
        """Names, sizes and tags or times of a version's objects."""
        folder = self._folder(model, version)
        with self._asked():
            self._fs.invalidate_cache()
            found = self._fs.find(folder, detail=True)
        return frozenset((name, info["size"], *(str(info.get(tag)) for tag in _TAGS)) for name, info in found.items())

    def publish(self, model: str, version: str, folder: Path) -> str:
        """Uploads a finished bundle, the manifest last; returns its URL.

        Raises:
            BundleError: that version is there already, or another process publishes it now.
        """
        place, target = f"{self.location}/{model}/{version}", self._folder(model, version)
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]

        def put(name: str) -> None:
            path = f"{target}/{name}"
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(folder / name), path, callback=_until(self.cache.stopping))

        with self._claimed(model, version):
            if version in self.versions(model):
                raise taken(place)
            self._copy(put, [name for name in names if name != MANIFEST_FILE])
            with self._asked():
                self._fs.pipe_file(f"{target}/{MANIFEST_FILE}", (folder / MANIFEST_FILE).read_bytes())
        return place

    @contextmanager
    def _claimed(self, model: str, version: str) -> Iterator[None]:
        """Holds the object that says that a version is being uploaded, so that two uploads cannot mix their files."""
        claim = f"{self._root}/{model}/.{version}.uploading"
        if not self._write(claim, b"", mode="create"):
            raise BundleError(
                f"{self.location}/{model}/{version} is being published, or a process was killed while it did so.",
                remedy="Publish under another version.",
            )
        try:
            yield
        finally:
            with suppress(RegistryError), self._asked():
                self._fs.rm_file(claim)

    def _replace_marker(self, model: str, active: Activation | None, by: Activation) -> bool:
        path = f"{self._root}/{model}/{ACTIVE_FILE}"
        tag = self._tag(path)  # read before the content, which is then as old as the tag or newer
        content = self._read(path)
        if _activation(content) != active:
            return False
        condition = {"mode": "create"} if content is None else {"IfMatch": tag} if tag else {}
        return self._write(path, by.text().encode(), **condition)

    def _write(self, path: str, content: bytes, **condition: str) -> bool:
        """Writes an object; False if a condition does not hold: `mode="create"`, or S3's `IfMatch`."""
        with self._asked():
            try:
                self._fs.pipe_file(path, content, **condition)
            except OSError as error:
                if condition and _says_changed(error):
                    return False
                raise
        return True

    def _tag(self, path: str) -> str | None:
        """An object's tag for a conditional write; None if the storage has no such write."""
        if urlsplit(self.location).scheme not in _CONDITIONAL:
            return None
        with self._asked():
            self._fs.invalidate_cache()
            try:
                return str(self._fs.info(path)["ETag"])
            except FileNotFoundError:
                return "none"

    def _remove(self, model: str, version: str) -> None:
        folder = self._folder(model, version)
        with self._asked():
            self._fs.rm_file(f"{folder}/{MANIFEST_FILE}")
            self._fs.rm(folder, recursive=True)

    def _copy(self, copy: Callable[[str], None], names: Iterable[str]) -> None:
        """Copies files, several at a time; the first that fails ends it."""
        with self._asked(), ThreadPoolExecutor(_TRANSFERS) as threads:
            copies = [threads.submit(copy, name) for name in names]
            try:
                for each in copies:
                    each.result()
            finally:
                threads.shutdown(cancel_futures=True)

    def _folder(self, model: str, version: str) -> str:
        return f"{self._root}/{model}/{version}"

    def _folders(self, path: str) -> list[str]:
        with self._asked():
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = [item["name"].rstrip("/").rpartition("/")[2] for item in found if item["type"] == "directory"]
        return [name for name in names if not name.startswith(".")]

    def _exists(self, model: str, version: str) -> bool:
        with self._asked():
            return bool(self._fs.exists(f"{self._folder(model, version)}/{MANIFEST_FILE}"))

    def _read(self, path: str) -> bytes | None:
        with self._asked():
            try:
                content: bytes = self._fs.cat_file(path)
            except FileNotFoundError:
                return None
        return content

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turns every error of the libraries into a `RegistryError`."""
        try:
            yield
        except (BundleError, RegistryError):
            raise
        except Exception as error:  # each library has its own classes of errors, without a common base
            what = f"{type(error).__name__}: {error}".strip(": ").rstrip(".")
            raise RegistryError(
                f"{self.location} cannot be used ({what}).",
                remedy="Check the network, the address and the rights of this machine.",
            ) from error


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    scheme, place = urlsplit(url)[:2]
    if not place:
        raise RegistryError(f"{url} names no bucket.", remedy="Such as s3://BUCKET/PREFIX.")
    try:
        filesystem, root = fsspec.url_to_fs(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        raise MissingToolError(
            f"{url}: the library for {scheme}:// is not installed ({error.name or error}).",
            remedy=install_hint(extra) if extra else "Install the library of fsspec that opens it.",
        ) from None
    except Exception as error:  # libraries read credentials and configuration here
        raise RegistryError(
            f"{url} cannot be opened ({type(error).__name__}: {error}).", remedy="Such as s3://BUCKET/PREFIX."
        ) from None
    return filesystem, str(root)


def _activation(marker: bytes | None) -> Activation | None:
    return None if marker is None else Activation.parse(marker.decode(errors="replace"))


def _says_changed(error: OSError) -> bool:
    """Whether a conditional write failed because of its condition."""
    response = getattr(error.__cause__, "response", None) or {}  # botocore's
    return isinstance(error, FileExistsError) or response.get("Error", {}).get("Code") in _CHANGED


def _until(stopping: threading.Event) -> Any:
    """A callback for fsspec that stops a copy."""
    from fsspec.callbacks import Callback

    class Until(Callback):  # type: ignore[misc]
        """Called at each block."""

        def call(self, hook_name: str | None = None, **kwargs: Any) -> Any:  # noqa: ARG002
            if stopping.is_set():
                raise RegistryError("Copying was stopped.")

    return Until()
