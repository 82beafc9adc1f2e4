"""A server that splits a twin into versions, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from lm.errors import BundleDamagedError
from service.app import Server
from service.config import load_settings
from suggest.model import Model
from tests.redis_process import free_port
from tests.service_twins import TwinModel, eventually, registry_of

USERS = [f"user-{number}" for number in range(60)]


class Split:
    """A server that splits the twin `twin` into the versions 1, 2 and 3."""

    def __init__(self, root: Path, split: str, broken: set[str], **settings: object) -> None:
        self.root = registry_of(root, {"twin": ["1", "2", "3"], "other": ["1"]})
        self.twins = {each: TwinModel(version=each, warm_queries=("warm",)) for each in ("1", "2", "3")}
        self.broken = broken
        given = {"registry": self.root, "address": f"127.0.0.1:{free_port()}", "metrics_address": "off"}
        given |= {"reload_s": 0.01, "default_model": "twin", "split": split, "time_budget_ms": 20_000}
        self.channel: grpc.Channel = None
        self.stub: Any = None
        self.models: Any = None
        self.server = Server(load_settings(given | settings, None), opener=self._open)

    def _open(self, path: Path) -> Model:
        if path.name in self.broken:
            raise BundleDamagedError(path, "a file has another digest")
        return TwinModel("other", version="1") if path.parent.name == "other" else self.twins[path.name]

    def ask(self, user: str = "", query: str = "n") -> str:
        answer = self.stub.CompleteQuery(pb.CompleteQueryRequest(query=query, user_pseudo_id=user))
        return str(answer.model_version)

    def status(self) -> model_pb.Model:
        found: model_pb.Model = self.models.GetModel(model_pb.GetModelRequest(name="models/twin"))
        return found


@contextmanager
def splitting(folder: Path, split: str, *, broken: set[str] | None = None, **settings: object) -> Iterator[Split]:
    running = Split(folder, split, broken or set(), **settings)
    running.server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{running.server.port}") as channel:
            running.channel = channel
            running.stub = pb_grpc.AutocompleteServiceStub(channel)
            running.models = model_grpc.ModelServiceStub(channel)
            eventually(lambda: running.server.models.status("twin").model is not None)
            yield running
    finally:
        running.server.stop()
