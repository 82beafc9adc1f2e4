from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from lm.errors import (
    AutocompleteError,
    BundleDamagedError,
    BundleError,
    ConfigError,
    ModelLoadingError,
    ModelNotFoundError,
)
from service.config import load_settings
from service.models.bundles import chosen_models
from service.models.served_models import ModelState, ModelStatus, ServedModels, VersionOpener
from service.telemetry.metrics import Metrics
from tests.service_twins import TwinModel, eventually

_Anything: Any = object  # so that the twin can stand for `Bundles`


class Folder(_Anything):  # type: ignore[misc]
    """An in-memory twin of `lm.bundle.registry.Registry`."""

    def __init__(self, versions: dict[str, list[str]], active: dict[str, str]) -> None:
        self.versions_of = versions
        self.active = active
        self.changes: Counter[tuple[str, str]] = Counter()
        self.failure: Exception | None = None
        self.broken = set[str]()
        self.looks: Counter[str] = Counter()

    def models(self) -> list[str]:
        if self.failure is not None:
            raise copy(self.failure)
        return sorted(self.versions_of)

    def versions(self, model: str) -> list[str]:
        self.looks[model] += 1
        if self.failure is not None:
            raise copy(self.failure)
        return self.versions_of.get(model, [])

    def active_version(self, model: str) -> str | None:
        if model in self.broken:
            raise KeyError(model)
        return self.active.get(model)

    def bundle_path(self, model: str, version: str) -> Path:
        return Path(model) / version

    def fingerprint(self, model: str, version: str) -> int:
        return self.changes[model, version]

    def keep(self, model: str, versions: Collection[str]) -> None:
        pass

    def close(self) -> None:
        pass


def opened(folder: Folder, *, broken: dict[str, Exception] | None = None) -> ServedModels:
    def opener(path: Path) -> TwinModel:
        failure = (broken or {}).get(path.name)
        if failure is not None:
            raise failure
        return TwinModel(path.parent.name, version=path.name)

    def ignore(_status: ModelStatus) -> None:
        pass

    metrics = Metrics(CollectorRegistry())
    registry = ServedModels(folder, folder.models(), folder.models()[0], opener, metrics, ignore)
    registry.start()
    registry._thread.join()
    return registry


def damaged(version: str) -> AutocompleteError:
    return BundleDamagedError(Path(version), "a file has another digest")


def test_the_active_version_answers() -> None:
    registry = opened(Folder({"m": ["1", "2"]}, {"m": "2"}))
    status = registry.status("m")
    assert registry.get("").version == registry.get("m").version == "2"
    assert (status.state, status.latest_version, status.latest_error) == (ModelState.ACTIVE, "2", None)


def test_a_version_that_was_held_back_is_named() -> None:
    status = opened(Folder({"m": ["1", "2"]}, {"m": "1"})).status("m")
    assert status.model is not None
    assert status.model.version == "1"
    assert "2 was published but not activated" in str(status.latest_error)


def test_an_older_version_answers_where_the_active_one_is_damaged() -> None:
    folder = Folder({"m": ["1", "2", "3"]}, {"m": "3"})
    status = opened(folder, broken={"3": damaged("3")}).status("m")
    assert status.model is not None
    assert status.model.version == "2"
    assert isinstance(status.latest_error, BundleDamagedError)


def test_versions_newer_than_the_active_one_never_answer() -> None:
    registry = opened(Folder({"m": ["1", "2"]}, {"m": "1"}), broken={"1": damaged("1")})
    assert registry.status("m").state is ModelState.FAILED
    with pytest.raises(BundleError, match="could not be loaded"):
        registry.get("m")


def test_a_reader_that_breaks_fails_its_model_alone() -> None:
    registry = opened(Folder({"a": ["1"], "b": ["2"]}, {"a": "1", "b": "2"}), broken={"2": ValueError("x")})
    assert registry.status("a").state is ModelState.ACTIVE
    assert registry.status("b").state is ModelState.FAILED
    assert "ValueError" in str(registry.status("b").latest_error)


def test_without_an_active_version_a_model_fails() -> None:
    status = opened(Folder({"m": ["1"]}, {})).status("m")
    assert status.state is ModelState.FAILED
    assert "No version" in str(status.latest_error)


class Followed:
    """A registry that is followed, and what was opened of it."""

    def __init__(
        self,
        folder: Folder,
        *,
        new_models: bool = False,
        on_change: Callable[[ModelStatus], None] = lambda _status: None,
    ) -> None:
        self.folder = folder
        self.opened: list[str] = []
        self.broken: set[str] = set()
        self.metrics = Metrics(CollectorRegistry())
        self.registry = ServedModels(
            folder,
            folder.models(),
            folder.models()[0],
            self._open,
            self.metrics,
            on_change,
            follow_s=0.002,
            new_models=new_models,
        )

    def _open(self, path: Path) -> TwinModel:
        self.opened.append(f"{path.parent.name}/{path.name}")
        if path.name in self.broken:
            raise damaged(path.name)
        return TwinModel(path.parent.name, version=path.name)

    def __enter__(self) -> Followed:
        self.registry.start()
        eventually(lambda: all(status.state is not ModelState.LOADING for status in self.registry.statuses()))
        return self

    def __exit__(self, *_: object) -> None:
        self.registry.close()

    def answers(self, version: str, model: str = "m") -> bool:
        status = self.registry.status(model)
        return status.model is not None and status.model.version == version

    def looks(self) -> None:
        """Waits until all of the registry has been looked at anew."""
        third = self.folder.looks["m"] + 3
        eventually(lambda: self.folder.looks["m"] >= third)

    def failed(self, model: str) -> float:
        name = "autocomplete_follow_errors_total"
        return self.metrics.registry.get_sample_value(name, {"model": model}) or 0.0

    def counted(self, outcome: str, model: str = "m") -> float:
        labels = {"model": model, "outcome": outcome}
        return self.metrics.registry.get_sample_value("autocomplete_model_openings_total", labels) or 0.0


def test_another_active_version_takes_the_place_and_back() -> None:
    with Followed(Folder({"m": ["1", "2"]}, {"m": "1"})) as followed:
        before = followed.registry.get("m")
        for version in ("2", "1"):
            followed.folder.active["m"] = version
            eventually(partial(followed.answers, version))
        assert before.version == "1"
        assert "2 was published but not activated" in str(followed.registry.status("m").latest_error)
        followed.folder.versions_of["m"] = ["1"]
        eventually(lambda: followed.registry.status("m").latest_error is None)
    assert followed.opened == ["m/1", "m/2", "m/1"]
    assert followed.counted("opened") == 3


def test_a_bad_version_leaves_the_old_one_and_is_tried_again_only_when_it_changed() -> None:
    with Followed(Folder({"m": ["1", "2"]}, {"m": "1"})) as followed:
        followed.broken = {"2"}
        followed.folder.active["m"] = "2"
        eventually(lambda: followed.counted("failed") == 1)
        eventually(lambda: isinstance(followed.registry.status("m").latest_error, BundleDamagedError))
        followed.looks()
        assert followed.answers("1")
        assert followed.opened == ["m/1", "m/2"]
        followed.broken = set()
        followed.folder.changes["m", "2"] += 1
        eventually(lambda: followed.answers("2"))
        assert followed.registry.status("m").latest_error is None
    assert followed.opened == ["m/1", "m/2", "m/2"]
    assert (followed.counted("failed"), followed.counted("opened")) == (1, 2)


def test_a_model_that_failed_is_opened_once_it_can_be() -> None:
    with Followed(Folder({"m": ["1"]}, {})) as followed:
        assert followed.registry.status("m").state is ModelState.FAILED
        followed.folder.active["m"] = "1"
        eventually(lambda: followed.answers("1"))


def test_what_leaves_the_registry_goes_on_answering() -> None:
    with Followed(Folder({"m": ["1"]}, {"m": "1"})) as followed:
        for forgotten in (followed.folder.active, followed.folder.versions_of):
            forgotten.clear()
            followed.looks()
            assert followed.answers("1")
        assert "No version of 'm' is active" in str(followed.registry.status("m").latest_error)
        followed.folder.failure = PermissionError(13, "Permission denied")
        eventually(lambda: "cannot be read: Permission denied" in str(followed.registry.status("m").latest_error))
        assert followed.answers("1")
        followed.folder.failure = None
        followed.folder.versions_of["m"], followed.folder.active["m"] = ["1", "2"], "2"
        eventually(lambda: followed.answers("2"))


def test_a_change_that_could_not_be_told_is_told_again_and_following_goes_on() -> None:
    told: list[tuple[str, str]] = []
    failures = [KeyError("health"), KeyError("health"), None]

    def on_change(status: ModelStatus) -> None:
        failure = failures.pop(0) if failures else None
        if failure is not None:
            raise failure
        told.append((status.name, status.model.version if status.model else ""))

    folder = Folder({"m": ["1"], "n": ["7"]}, {"m": "1", "n": "7"})
    with capture_logs() as lines, Followed(folder, on_change=on_change) as followed:
        eventually(lambda: len(told) == 2)
        assert sorted(told) == [("m", "1"), ("n", "7")]
        folder.versions_of["m"], folder.active["m"] = ["1", "2"], "2"
        eventually(lambda: told[2:] == [("m", "2")])
        assert sum(followed.failed(model) for model in ("m", "n")) == 2
    failed = [line for line in lines if line["event"] == "follow_failed"]
    assert [line["trace"][-1] for line in failed] == ["KeyError", "KeyError"]


def test_a_look_at_the_registry_that_breaks_in_any_way_is_counted_logged_once_and_survived() -> None:
    folder = Folder({"m": ["1"]}, {"m": "1"})
    with capture_logs() as lines, Followed(folder, new_models=True) as followed:
        folder.failure = ValueError("a name that nobody expected")
        eventually(lambda: followed.failed("m") >= 3 and followed.failed("") >= 3)
        assert followed.answers("1")
        assert "m cannot be looked up" in str(followed.registry.status("m").latest_error)
        folder.failure = None
        folder.versions_of["m"], folder.active["m"] = ["1", "2"], "2"
        eventually(lambda: followed.answers("2"))
        assert followed.registry.status("m").latest_error is None
    assert sorted(line["model"] for line in lines if line["event"] == "follow_failed") == ["", "m"]


def test_a_model_that_cannot_be_looked_up_fails_and_does_not_load_for_ever() -> None:
    folder = Folder({"m": ["1"], "n": ["7"]}, {"m": "1", "n": "7"})
    folder.broken.add("m")
    registry = opened(folder)
    assert registry.status("m").state is ModelState.FAILED
    assert registry.get("n").version == "7"


def test_an_active_version_that_is_not_there_is_named() -> None:
    status = opened(Folder({"m": ["1"]}, {"m": "../m/1"})).status("m")
    assert status.state is ModelState.FAILED
    assert "'../m/1', is not there" in str(status.latest_error)


def test_models_that_appear_are_served_unless_models_were_named() -> None:
    for new_models in (True, False):
        with Followed(Folder({"m": ["1"]}, {"m": "1"}), new_models=new_models) as followed:
            followed.folder.versions_of["n"] = ["7"]
            followed.looks()
            assert followed.registry.names == ("m",)  # none of its versions is active yet
            followed.folder.active["n"] = "7"
            followed.looks()
            assert followed.registry.names == (("m", "n") if new_models else ("m",))
            assert not new_models or followed.answers("7", "n")
            assert followed.registry.get("").name == "m"


def test_a_version_under_a_foreign_name_is_not_served() -> None:
    folder = Folder({"m": ["1"]}, {"m": "1"})
    versions = VersionOpener(folder, lambda _path: TwinModel("m", version="2"), Metrics(CollectorRegistry()))
    error = versions.open("m", "1")
    assert "m 1 says in its manifest that it is 2" in str(error)


def test_unknown_and_loading_models() -> None:
    def opener(_path: Path) -> TwinModel:
        return TwinModel()

    folder = Folder({"m": ["1"]}, {"m": "1"})
    registry = ServedModels(folder, ["m"], "m", opener, Metrics(CollectorRegistry()), lambda _status: None)
    with pytest.raises(ModelLoadingError):
        registry.get("m")
    with pytest.raises(ModelNotFoundError, match="There are: models/m"):
        registry.get("n")


def test_the_default_model() -> None:
    one, two = Folder({"a": ["1"]}, {}), Folder({"a": ["1"], "b": ["1"]}, {})

    def chosen(folder: Folder, **settings: object) -> tuple[tuple[str, ...], str]:
        return chosen_models(folder, load_settings(settings, None))

    assert chosen(one) == (("a",), "a")
    assert chosen(two, default_model="b") == (("a", "b"), "b")
    assert chosen(two, models="b") == (("b",), "b")
    for settings, message in (
        ({}, "--default-model: needed"),
        ({"models": "c"}, "--models: no model 'c'"),
        ({"models": "a", "default_model": "b"}, "--default-model: no model 'b'"),
    ):
        with pytest.raises(ConfigError, match=message):
            chosen(two, **settings)
    with pytest.raises(ConfigError, match="holds no model"):
        chosen(Folder({}, {}))
