"""A server that splits a twin into versions, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from lm.errors import BundleDamagedError
from service.app import Server
from suggest.model import Model
from tests.service_twins import TwinModel, registry_of, served

USERS = [f"user-{number}" for number in range(60)]


@dataclass(frozen=True)
class Split:
    """A server that splits the twin `twin` into the versions 1, 2 and 3; those in `broken` do not open."""

    root: Path
    twins: Mapping[str, TwinModel]
    broken: set[str]
    server: Server
    channel: grpc.Channel

    @property
    def stub(self) -> Any:
        return pb_grpc.AutocompleteServiceStub(self.channel)

    @property
    def models(self) -> Any:
        return model_grpc.ModelServiceStub(self.channel)

    def ask(self, user: str = "", query: str = "n") -> str:
        answer = self.stub.CompleteQuery(pb.CompleteQueryRequest(query=query, user_pseudo_id=user))
        return str(answer.model_version)

    def status(self) -> model_pb.Model:
        found: model_pb.Model = self.models.GetModel(model_pb.GetModelRequest(name="models/twin"))
        return found


@contextmanager
def splitting(folder: Path, split: str, *, broken: set[str] | None = None, **settings: Any) -> Iterator[Split]:
    root = registry_of(folder, {"twin": ["1", "2", "3"], "other": ["1"]})
    twins = {each: TwinModel(version=each, warm_queries=("warm",)) for each in ("1", "2", "3")}
    damaged = broken or set()

    def open_twin(path: Path) -> Model:
        if path.name in damaged:
            raise BundleDamagedError(path, "a file has another digest")
        return TwinModel("other", version="1") if path.parent.name == "other" else twins[path.name]

    given: dict[str, Any] = {"reload_s": 0.01, "default_model": "twin", "split": split, "time_budget_ms": 20_000}
    with served(root, opener=open_twin, **given | settings) as (server, channel):
        yield Split(root, twins, damaged, server, channel)
