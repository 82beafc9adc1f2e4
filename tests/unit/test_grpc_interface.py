"""gRPC is used by its public interface alone, so that its next version may change what lies below."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE = re.compile(r"\bgrpc(?:\.aio)?\._|\bfrom grpc import _|\bcygrpc\b|\bexperimental_")


@pytest.mark.parametrize("room", ["service", "gateway", "autocomplete_client"])
def test_nothing_private_is_named(room: str) -> None:
    ours = (path for path in (ROOT / room).rglob("*.py") if not path.name.endswith("_pb2_grpc.py"))  # or built copies
    named = [path for path in ours if PRIVATE.search(path.read_text(encoding="utf-8"))]
    assert named == []


def test_versions_that_may_break_the_public_interface_are_excluded() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    grpc = [requirement for requirement in needed if requirement.startswith("grpcio")]
    assert len(grpc) >= 4
    assert all(requirement.endswith(",<2") for requirement in grpc)
