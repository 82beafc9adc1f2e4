from __future__ import annotations

from pathlib import Path

import pytest

from lm.errors import (
    AutocompleteError,
    BundleDamagedError,
    BundleError,
    ConfigError,
    ModelLoadingError,
    ModelNotFoundError,
)
from service.adapters.bundle_registry import BundleRegistry, ModelState, ModelStatus, choose_models
from tests.service_twins import TwinModel


class Folder:
    """An in-memory twin of `lm.registry.Registry`."""

    def __init__(self, versions: dict[str, list[str]], active: dict[str, str]) -> None:
        self._versions = versions
        self._active = active

    def models(self) -> list[str]:
        return sorted(self._versions)

    def versions(self, model: str) -> list[str]:
        return self._versions.get(model, [])

    def active_version(self, model: str) -> str | None:
        return self._active.get(model)

    def bundle_path(self, model: str, version: str) -> Path:
        return Path(model) / version


def opened(folder: Folder, *, broken: dict[str, Exception] | None = None) -> BundleRegistry:
    def opener(path: Path) -> TwinModel:
        failure = (broken or {}).get(path.name)
        if failure is not None:
            raise failure
        return TwinModel(path.parent.name, version=path.name)

    def ignore(_status: ModelStatus) -> None:
        pass

    registry = BundleRegistry(folder, folder.models(), folder.models()[0], opener, ignore)
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


def test_unknown_and_loading_models() -> None:
    def opener(_path: Path) -> TwinModel:
        return TwinModel()

    folder = Folder({"m": ["1"]}, {"m": "1"})
    registry = BundleRegistry(folder, ["m"], "m", opener, lambda _status: None)
    with pytest.raises(ModelLoadingError):
        registry.get("m")
    with pytest.raises(ModelNotFoundError, match="There are: models/m"):
        registry.get("n")


def test_the_default_model() -> None:
    two = Folder({"a": ["1"], "b": ["1"]}, {})
    assert choose_models(Folder({"a": ["1"]}, {}), (), None) == (("a",), "a")
    assert choose_models(two, (), "b") == (("a", "b"), "b")
    assert choose_models(two, ("b",), None) == (("b",), "b")
    for wanted, default, message in (
        ((), None, "--default-model: needed"),
        (("c",), None, "--models: no model 'c'"),
        (("a",), "b", "--default-model: no model 'b'"),
    ):
        with pytest.raises(ConfigError, match=message):
            choose_models(two, wanted, default)
    with pytest.raises(ConfigError, match="holds no model"):
        choose_models(Folder({}, {}), (), None)
