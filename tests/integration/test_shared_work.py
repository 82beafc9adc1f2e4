"""Trainings that share one work folder: each publishes what it made itself, and none breaks another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import FileEntry, read_manifest
from lm.bundle.registry import Registry
from lm.errors import InputError
from training.config import load_config
from training.pipeline import train
from training.progress import SilentReporter, Task
from training.publish import Published
from training.steps import DONE_FILE, Workshop

CONFIG = """
name = "{name}"
[[query_log]]
path = "{name}.txt"
[screening]
min_count = 1
[held_out]
max_queries = 20
[[language_models]]
name = "queries"
unit = "subword"
sources = ["queries"]
vocabulary_size = 64
ngram = {{ order = 2, discount_fallback = true }}
"""
WORDS = {
    "shoes": ["red", "blue", "green", "shoes", "boots", "hats", "cheap", "new"],
    "books": ["old", "thick", "novel", "diary", "atlas", "poems", "signed", "first"],
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with two configurations, which share `var/work` and `var/registry`."""
    for name, words in WORDS.items():
        queries = [f"{a} {b} {c}" for a in words for b in words for c in words]
        (tmp_path / f"{name}.txt").write_text("\n".join(queries), encoding="utf-8")
        (tmp_path / f"{name}.toml").write_text(CONFIG.format(name=name), encoding="utf-8")
    return tmp_path


def train_in(folder: Path, name: str, reporter: SilentReporter | None = None) -> Published:
    return train(load_config(folder / f"{name}.toml"), base=folder, reporter=reporter or SilentReporter())


class At(SilentReporter):
    """Calls something when a task begins, the first time."""

    def __init__(self, task: str, act: Callable[[], object]) -> None:
        self._task, self._act = task, act

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        """See `Reporter.task`."""
        if self._task in description:
            self._task = "\0"
            self._act()
        with super().task(description, total) as task:
            yield task


def files_of(folder: Path, name: str) -> list[dict[str, FileEntry]]:
    """The files of each published version, with their sums."""
    registry = Registry(folder / "var" / "registry")
    return [read_manifest(registry.bundle_path(name, version)).files for version in registry.versions(name)]


def alone(folder: Path, name: str) -> dict[str, FileEntry]:
    """The files of a bundle that was trained with nobody beside, in a folder of its own."""
    own = folder / f"alone-{name}"
    own.mkdir()
    for suffix in ("toml", "txt"):
        (own / f"{name}.{suffix}").write_bytes((folder / f"{name}.{suffix}").read_bytes())
    train_in(own, name)
    return files_of(own, name)[0]


@pytest.mark.parametrize("moment", ["KenLM binary", "query index", "held-out queries"])
def test_a_training_publishes_its_own_data_whatever_another_one_does(shop: Path, moment: str) -> None:
    published = train_in(shop, "shoes", At(moment, lambda: train_in(shop, "books")))

    index = open_bundle(published.path).queries
    assert index is not None
    assert index.completions("red", 1)[0]
    assert not index.completions("atlas", 1)[0]
    assert files_of(shop, "shoes") == [alone(shop, "shoes")]
    assert files_of(shop, "books") == [alone(shop, "books")]


def test_the_same_training_within_itself_publishes_twice_the_same(shop: Path) -> None:
    train_in(shop, "shoes", At("query index", lambda: train_in(shop, "shoes")))

    first, second = files_of(shop, "shoes")
    assert first == second


def run_together(folder: Path, *names: str) -> None:
    command = [sys.executable, "-m", "cli.main", "train"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path.cwd() / "proto")])}
    processes = [
        subprocess.Popen([*command, str(folder / f"{name}.toml")], env=environment, stderr=subprocess.PIPE, text=True)
        for name in names
    ]
    for process in processes:
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said[-2000:]


def test_two_processes_with_two_configurations(shop: Path) -> None:
    run_together(shop, "shoes", "books")

    for name in WORDS:
        assert files_of(shop, name) == [alone(shop, name)]
    assert not list((shop / "var" / "work").glob("run-*"))


def test_two_processes_with_the_same_configuration(shop: Path) -> None:
    run_together(shop, "shoes", "shoes")

    first, second = files_of(shop, "shoes")
    assert first == second


def test_a_step_under_way_is_waited_for_and_made_once(tmp_path: Path) -> None:
    begun, waiting, release = threading.Event(), threading.Event(), threading.Event()
    made: list[str] = []

    def slowly(folder: Path) -> None:
        begun.set()
        assert release.wait(20)
        made.append("slowly")
        (folder / "result").write_text("whole", encoding="utf-8")

    def second() -> None:
        step = Workshop(tmp_path, At("Waiting for another process", waiting.set))
        found.append((step.step("a", 1, lambda _: made.append("again")) / "result").read_text(encoding="utf-8"))

    found: list[str] = []
    threads = [threading.Thread(target=lambda: Workshop(tmp_path, SilentReporter()).step("a", 1, slowly))]
    threads[0].start()
    assert begun.wait(20)
    threads.append(threading.Thread(target=second))
    threads[1].start()
    assert waiting.wait(20)
    release.set()
    for thread in threads:
        thread.join(20)

    assert made == ["slowly"]
    assert found == ["whole"]


def test_processes_of_a_team_are_in_a_step_together_and_the_main_one_alone_marks_it(tmp_path: Path) -> None:
    barrier = threading.Barrier(2, timeout=20)

    def meet() -> None:
        barrier.wait()

    def run(*, is_main: bool) -> None:
        workshop = Workshop(tmp_path, SilentReporter(), is_main=is_main)
        folders.append(workshop.step("a", 1, lambda _: meet(), resumable=True, meet=meet))

    folders: list[Path] = []
    for _ in ("made", "found"):
        threads = [threading.Thread(target=run, kwargs={"is_main": is_main}) for is_main in (True, False)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert len(folders) == 4
    assert len(set(folders)) == 1


@pytest.mark.parametrize("pattern", ["var/work/queries-*/train.parquet", "var/work/run-*/queries/tokens.blob.npy"])
def test_nothing_is_published_if_a_file_is_not_what_this_training_made(shop: Path, pattern: str) -> None:
    def tamper() -> None:
        (path,) = shop.glob(pattern)
        path.write_bytes(path.read_bytes() + b"x")

    with pytest.raises(InputError, match=r"another program changed it.*run the same command again"):
        train_in(shop, "shoes", At("complete held-out queries", tamper))

    assert Registry(shop / "var" / "registry").versions("shoes") == []
    assert not list((shop / "var" / "work").glob("run-*"))


def test_what_a_killed_run_left_is_removed_and_its_steps_are_found_again(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from training.progress import SilentReporter
from training.steps import Workshop
workshop = Workshop(Path(sys.argv[1]), SilentReporter())
workshop.step("a", 1, lambda folder: (folder / "x").touch())
with workshop.bundle_folder() as bundle:
    (bundle.path / "big").write_text("left behind")
    os._exit(9)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path.cwd() / "proto")])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert len(list(tmp_path.glob("run-*"))) == 1

    workshop = Workshop(tmp_path, SilentReporter())
    with workshop.bundle_folder() as own, workshop.bundle_folder() as other:
        left = sorted(tmp_path.glob("run-*"))
        assert left == sorted([own.path, other.path])
    assert (workshop.step("a", 1, lambda _: pytest.fail("made again")) / DONE_FILE).is_file()
    assert not list(tmp_path.glob("run-*"))
