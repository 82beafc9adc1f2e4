"""The server as a process of its own, for tests: on real bundles, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autocomplete_client.health import check
from tests.redis_process import free_port
from tests.service_twins import eventually

_SERVE = """
import json
import sys
from lm.errors import AutocompleteError
from service.workers.process import serve
from service.config import load_settings
try:
    serve(load_settings(json.loads(sys.argv[1]), None))
except AutocompleteError as error:
    sys.exit(f"error: {error}")
"""


class Process:
    """A server process; it ends with exit code 1 and one paragraph where it cannot serve."""

    def __init__(self, registry: Path, *, address: str = "", metrics_address: str = "off", **settings: object) -> None:
        self.address = address or f"127.0.0.1:{free_port()}"
        given = {"registry": str(registry), "address": self.address, "metrics_address": metrics_address, **settings}
        self.popen = subprocess.Popen(
            [sys.executable, "-c", _SERVE, json.dumps(given)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def ready(self) -> None:
        """Waits until it serves."""
        eventually(lambda: self.popen.poll() is not None or check(self.address, 1.0), timeout_s=60)
        assert self.popen.poll() is None, self.popen.communicate()[1]

    def end(self) -> tuple[int, str]:
        """Its exit code and what it logged, once it has ended."""
        _, errors = self.popen.communicate(timeout=60)
        return self.popen.returncode, errors


@contextmanager
def started(registry: Path, **settings: str | int | float) -> Iterator[Process]:
    """A server process that serves."""
    process = Process(registry, **settings)  # type: ignore[arg-type]
    try:
        process.ready()
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()
