"""What publishing makes of the version that is active, in a folder and at a URL."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import MANIFEST_FILE
from lm.bundle.registry import Activation, BundleStore, Registry, open_registry
from tests.empty_bundle import empty_manifest
from training.config import Publishing
from training.gate import Comparison, Figure
from training.progress import Reporter, SilentReporter
from training.publish import Published, publish
from training.steps import BundleFolder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture(params=["folder", "url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BundleStore:
    location = tmp_path / "registry" if request.param == "folder" else f"memory://{uuid.uuid4()}/models"
    return open_registry(location, tmp_path / "cache")


@pytest.fixture
def finished(tmp_path: Path) -> Callable[[], BundleFolder]:
    """Makes a bundle's folder that a training could have made."""

    def make() -> BundleFolder:
        folder = tmp_path / f"finished-{uuid.uuid4()}"
        folder.mkdir()
        bundle = BundleFolder(folder)
        with bundle.adding():
            (folder / "counts").write_text("counts", encoding="utf-8")
        return bundle

    return make


@pytest.fixture
def published(finished: Callable[[], BundleFolder]) -> Callable[..., Published]:
    """Publishes a bundle without models, whose figure may be worse than that of the active one."""

    def put(
        store: BundleStore,
        second: int,
        *,
        activate: bool = False,
        worse: bool = False,
        reporter: Reporter | None = None,
    ) -> Published:
        def compare(folder: Path) -> Comparison:
            manifest = open_bundle(folder).manifest
            figure = Figure(name="MRR@10 of queries", digits=3, now=0.1, before=0.5, worse=worse)
            return Comparison(version=manifest.version, figures=(figure,))

        created_at = datetime(2026, 1, 1, second=second, tzinfo=UTC)
        return publish(
            finished(),
            empty_manifest("shop", "").model_copy(update={"created_at": created_at}),
            store,
            Publishing(),
            compare=compare,
            activate=activate,
            reporter=reporter or SilentReporter(),
        )

    return put


def at(second: int) -> str:
    return f"20260101-00000{second}"


class Saying(SilentReporter):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """See `Reporter.say`."""
        self.said.append(text)


def test_what_is_worse_is_published_and_does_not_answer(
    store: BundleStore, published: Callable[..., Published]
) -> None:
    assert published(store, 1, worse=True).activated  # nothing was there to compare it with
    second = published(store, 2, worse=True)
    assert not second.activated
    assert second.reason == "MRR@10 of queries 0.100, was 0.500"
    assert second.comparison is not None
    assert second.comparison.version == at(1)
    assert store.active_version("shop") == at(1)
    assert published(store, 3, worse=True, activate=True).activated
    assert store.active_version("shop") == at(3)


def test_what_is_trained_after_a_roll_back_is_published_and_does_not_answer(
    registry: Registry, published: Callable[..., Published]
) -> None:
    for second in (1, 2):
        assert published(registry, second).activated
    registry.activate("shop", at(1))

    third = published(registry, 3)
    assert not third.activated
    assert f"{at(1)} was made active in place of the newer {at(2)}" in third.reason
    assert registry.active_version("shop") == at(1)
    assert registry.versions("shop") == [at(1), at(2), at(3)]

    assert published(registry, 4, activate=True).activated
    assert published(registry, 5).activated
    assert registry.activation("shop") == Activation(at(5), (at(4), at(1), at(2)))


def test_what_became_active_during_the_comparison_is_compared_with_too(
    registry: Registry, published: Callable[..., Published]
) -> None:
    published(registry, 1)
    published(registry, 2)

    class Another(SilentReporter):
        """Another publisher is quicker."""

        said = 0

        def say(self, text: str) -> None:
            """Whenever a comparison begins."""
            if text.startswith("Measuring"):
                self.said += 1
                if self.said == 1:
                    published(registry, 3, activate=True)

    reporter = Another()
    assert published(registry, 4, reporter=reporter).activated
    assert reporter.said == 2
    assert registry.activation("shop") == Activation(at(4), (at(3), at(2), at(1)))


@pytest.mark.parametrize("damage", [b"other", None, "manifest"])
def test_a_damaged_active_bundle_gives_way_to_a_good_one(
    store: BundleStore, published: Callable[..., Published], damage: bytes | str | None
) -> None:
    active = published(store, 1).location
    files, place = fsspec.url_to_fs(active)
    if damage == "manifest":
        files.pipe_file(f"{place}/{MANIFEST_FILE}", b"{")
    elif damage is None:
        files.rm_file(f"{place}/counts")
    else:
        files.pipe_file(f"{place}/counts", damage)
    reporter = Saying()

    after = published(store, 2, reporter=reporter)

    assert after.activated
    assert store.active_version("shop") == at(2)
    assert any("The active bundle cannot be compared" in said for said in reporter.said)


def test_an_active_version_that_is_gone_gives_way(store: BundleStore, published: Callable[..., Published]) -> None:
    files, place = fsspec.url_to_fs(published(store, 1).location)
    files.rm(place, recursive=True)

    assert published(store, 2).activated


def test_two_of_the_same_second_get_versions_of_their_own(
    store: BundleStore, published: Callable[..., Published]
) -> None:
    assert [published(store, 1).version, published(store, 1).version] == [at(1), at(2)]


def test_a_version_that_another_run_takes_at_that_moment_is_passed_over(
    store: BundleStore, published: Callable[..., Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = store.versions

    def before_the_other_one(model: str) -> list[str]:
        found = seen(model)
        if not found:
            monkeypatch.undo()
            published(store, 1, activate=True)
        return found

    monkeypatch.setattr(store, "versions", before_the_other_one)

    assert published(store, 1, activate=True).version == at(2)
    assert store.versions("shop") == [at(1), at(2)]
