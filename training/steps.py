"""The work folder: finished steps that a later run finds again, and a folder for the bundle of each run.

    WORK/text-0123456789abcdef/       a step, named after all that its result depends on
    WORK/text-0123456789abcdef/DONE   says that it is finished, from what it was made, and the sums of its files
    WORK/locks/                       a lock for each step: one process makes it, others wait and find it finished
    WORK/run-abcdefgh/                where one run puts its bundle together; removed when the run ends

Several trainings can use one work folder at the same time. A step that was interrupted is made again or continued.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from lm.bundle.file_lock import file_lock
from lm.bundle.manifest import FORMAT_VERSION, MANIFEST_FILE, Manifest, read_manifest, sha256, write_manifest
from lm.errors import InputError
from lm.text.normalize import NORMALIZER_VERSION
from training.locks import exclusive
from training.progress import Reporter

DONE_FILE = "DONE"
_STEP_FORMAT = 2
_RUN = "run-"


class Workshop:
    """The work folder, as one run uses it.

    Args:
        folder: made if it is not there.
        is_main: False for a process that `torchrun` started beside the main process. It shares the work of steps that
            have a meeting point, and leaves locks and the mark that a step is finished to the main process.
        clock: seconds.
    """

    def __init__(
        self, folder: Path, reporter: Reporter, *, is_main: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._reporter = reporter
        self._is_main = is_main
        self._clock = clock
        self._used: dict[Path, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def step(
        self,
        name: str,
        key: object,
        make: Callable[[Path], object],
        *,
        resumable: bool = False,
        meet: Callable[[], None] | None = None,
    ) -> Path:
        """Runs a step unless it is finished; returns its folder.

        Args:
            key: all that the result depends on, as JSON takes it.
            make: writes into the folder that it is given.
            resumable: `make` can continue what an interrupted run left in the folder.
            meet: waits until all processes that make the step together have come here.
        """
        document = json.dumps(
            [_STEP_FORMAT, FORMAT_VERSION, NORMALIZER_VERSION, name, key], sort_keys=True, default=str
        )
        made_from = hashlib.sha256(document.encode()).hexdigest()
        folder = self._folder / f"{name}-{made_from[:16]}"
        lock = exclusive(self._lock_file(folder.name), self._reporter, waiting_for=f"it makes {folder.name}")
        with lock if self._is_main or meet is None else nullcontext():
            if meet is not None:
                meet()
            if _facts(folder).get("made_from") != made_from:
                if folder.exists() and not resumable:
                    shutil.rmtree(folder)
                folder.mkdir(exist_ok=True)
                start_s = self._clock()
                make(folder)
                if self._is_main:
                    facts = {"seconds": self._clock() - start_s, "made_from": made_from, "files": sums(folder)}
                    (folder / DONE_FILE).write_text(json.dumps(facts), encoding="utf-8")
        self._used[folder] = made_from
        return folder

    def check(self) -> None:
        """Checks that every step of this run is what it was when it was finished.

        Raises:
            InputError: another program has changed one.
        """
        for folder, made_from in self._used.items():
            facts = _facts(folder)
            if facts.get("made_from") != made_from:
                raise _changed(folder)
            _compare(folder, facts["files"], sums(folder))

    @contextmanager
    def bundle_folder(self) -> Iterator[BundleFolder]:
        """A folder for the bundle of this run alone. It is removed at the end, whatever happens.

        A run that was killed leaves its folder behind; the next one removes it.
        """
        with ExitStack() as held:
            with file_lock(self._lock_file("runs")):  # nobody removes a folder before its own lock is taken
                for left in self._folder.glob(f"{_RUN}*"):
                    with suppress(BlockingIOError), file_lock(self._lock_file(left.name), _give_up):
                        self._remove(left)
                run = Path(tempfile.mkdtemp(prefix=_RUN, dir=self._folder))
                held.enter_context(file_lock(self._lock_file(run.name)))
                held.callback(self._remove, run)
            yield BundleFolder(run)

    def _remove(self, run: Path) -> None:
        shutil.rmtree(run, ignore_errors=True)
        self._lock_file(run.name).unlink(missing_ok=True)

    def _lock_file(self, name: str) -> Path:
        locks = self._folder / "locks"
        locks.mkdir(exist_ok=True)
        return locks / name


class BundleFolder:
    """The folder in which a run puts its bundle together.

    Attributes:
        path: the bundle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sums: dict[str, str] = {}

    @contextmanager
    def adding(self) -> Iterator[Path]:
        """Gives the folder to what adds files to it, and notes the sums of these."""
        yield self.path
        self._sums |= sums(self.path, without=self._sums)

    def write(self, manifest: Manifest) -> None:
        """Writes the manifest of all files that are there.

        Raises:
            InputError: another program has changed, added or removed a file of this run.
        """
        write_manifest(self.path, manifest)
        _compare(self.path, self._sums, {name: each.sha256 for name, each in read_manifest(self.path).files.items()})


def sums(folder: Path, *, without: Iterable[str] = ()) -> dict[str, str]:
    """SHA-256 of each file below a folder, by its path there."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    left_out = {DONE_FILE, MANIFEST_FILE, *without}
    return {name: sha256(path) for name, path in files.items() if name not in left_out}


def seconds(step: Path) -> float:
    """How long a finished step took; of one that was interrupted, the time since it was continued."""
    return float(_facts(step)["seconds"])


def fingerprints(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Path, size and time of change of each file: another list if a file was changed."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def _facts(step: Path) -> dict[str, Any]:
    """What the mark of a finished step says; empty if the step is not finished."""
    try:
        facts: dict[str, Any] = json.loads((step / DONE_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return facts


def _compare(folder: Path, noted: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name in sorted({*noted, *found}):
        if noted.get(name) != found.get(name):
            raise _changed(folder / name)


def _changed(path: Path) -> InputError:
    return InputError(
        path,
        "another program changed it while this training ran, so nothing was published.",
        remedy="Delete the step's folder if it is still there, and run the same command again.",
    )


def _give_up() -> None:
    raise BlockingIOError
