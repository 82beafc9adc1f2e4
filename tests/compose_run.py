"""`make up` for tests: the processes of docker-compose.yml on ports that nobody uses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.service_twins import eventually

ROOT = Path(__file__).resolve().parents[1]
_PORTS = {"server": 50051, "metrics": 9464, "redis": 6379, "gateway": 8080, "prometheus": 9090, "grafana": 3000}


class ComposeRun:
    """The processes, and what they said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, shift: int) -> None:
        self.process = process
        self._log = log
        self._shift = shift

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def address(self, service: str) -> str:
        """HOST:PORT of `server`, `metrics`, `redis`, `gateway` or `prometheus`."""
        return f"127.0.0.1:{_PORTS[service] + self._shift}"

    def interrupt(self) -> int:
        """Ends all as Ctrl-C does; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


@contextmanager
def composed(registry: Path, folder: Path) -> Iterator[ComposeRun]:
    """All services that this machine can run, started, on the models of a registry."""
    data = folder / "data"
    data.mkdir()
    (data / "registry").symlink_to(registry)
    shift, log = _free_shift(), folder / "up.log"
    command = [sys.executable, "-m", "scripts.up", "--shift", str(shift), "--data", str(data), "--state"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, str(folder / "state")],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "REDIS_PASSWORD": "s3cret"},
        )
    run = ComposeRun(process, log, shift)
    try:
        eventually(lambda: process.poll() is not None or "all started" in run.output, timeout_s=150)
        assert process.poll() is None, run.output
        yield run
    finally:
        if process.poll() is None:
            run.interrupt()


def _free_shift() -> int:
    for shift in range(1000 + os.getpid() % 500, 15000, 7):
        if all(_is_free(port + shift) for port in _PORTS.values()):
            return shift
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
