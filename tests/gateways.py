"""A real gateway for tests, on a free port, in a thread of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gateway.app import Gateway
from gateway.config import load_settings
from gateway.process import http_server, listen
from tests.service_twins import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back of a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGateway:
    gateway: Gateway
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, verb: str, path: str, document: Any = None, *, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own. Header names have `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if document is not None:
            body = json.dumps(document).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(verb, path, body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=found, body=response.read())
        finally:
            connection.close()

    def connection(self) -> socket.socket:
        """A connection of one's own."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def sample(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 if it has none yet."""
        return self.gateway.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def running_gateway(server: str, **settings: object) -> Iterator[RunningGateway]:
    """A gateway of the gRPC server at an address."""
    checked = load_settings({"server": server, "drain_s": 5, **settings}, None)
    listener = listen("127.0.0.1:0")
    gateway = Gateway(checked)
    http = http_server(checked, gateway)
    thread = threading.Thread(target=lambda: asyncio.run(http.serve(sockets=[listener])), name="gateway")
    thread.start()
    try:
        eventually(lambda: http.started)
        yield RunningGateway(gateway=gateway, port=listener.getsockname()[1])
    finally:
        http.should_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive()
