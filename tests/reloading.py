"""What tests of reloading share: versions of a bundle, a server that follows a registry, and callers."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import model_service_pb2_grpc as model_grpc

from lm.bundle.manifest import read_manifest, write_manifest
from lm.bundle.registry import BundleStore
from service.app import Server
from tests.service_twins import eventually, served

FIRST, SECOND = "20260101-000000", "20260102-000000"
QUERIES = ("", "n", "ne", "new y", "w", "free", "a", "m", "qzx", "map")


def versioned(bundle: Path, folder: Path, version: str) -> Path:
    """A copy of a bundle, in `folder`, under another version."""
    shutil.copytree(bundle, folder)
    write_manifest(folder, read_manifest(folder).model_copy(update={"version": version}))
    return folder


def publish_two(bundles: BundleStore, bundle: Path, folder: Path) -> None:
    """Publishes a bundle as the model `tiny` in two versions, by copies in `folder`; the first one is active."""
    for version in (FIRST, SECOND):
        bundles.publish("tiny", version, versioned(bundle, folder / version, version))
    bundles.activate("tiny", FIRST)


def serving(root: Path | str, **settings: Any) -> AbstractContextManager[tuple[Server, grpc.Channel]]:
    """A server that looks for another version all the time."""
    return served(root, **{"reload_s": 0.02} | settings)


class Load:
    """Threads that ask without a pause, and what they got."""

    def __init__(self, channel: grpc.Channel, threads: int = 3) -> None:
        self._stub = pb_grpc.AutocompleteServiceStub(channel)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        self.versions: Counter[str] = Counter()
        self.errors: list[grpc.RpcError] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, version: str) -> None:
        """Waits for an answer of this version that no caller has had yet."""
        served = self.versions[version]
        eventually(lambda: self.versions[version] > served, timeout_s=60)

    def _ask(self) -> None:
        while not self._stopping.is_set():
            for query in QUERIES:
                try:
                    completed = self._stub.CompleteQuery(pb.CompleteQueryRequest(query=query))
                    words = self._stub.PredictNextWord(pb.PredictNextWordRequest(text=query))
                except grpc.RpcError as error:
                    self.errors.append(error)
                else:
                    self.versions.update((completed.model_version, words.model_version))


def version_of(channel: grpc.Channel) -> str:
    model = model_grpc.ModelServiceStub(channel).GetModel(model_pb.GetModelRequest(name="models/tiny"))
    return str(model.version)


def answers(channel: grpc.Channel, version: str) -> bool:
    return version_of(channel) == version
