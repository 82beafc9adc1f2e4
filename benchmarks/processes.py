"""Server processes under measurement: pinned to one core, watched from another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lm.errors import UnavailableError
from service.health_check import check

_READY_TIMEOUT_S = 60.0
_POLL_S = 0.01
_STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A server that is ready.

    Attributes:
        ready_s: from the start of the process until its health check says that it serves.
    """

    process_id: int
    address: str
    ready_s: float

    def memory_mb(self, field: str) -> float:
        """`VmRSS` (resident now) or `VmHWM` (at its highest), in MiB."""
        for line in Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) / 1024
        raise ValueError(field)


@contextmanager
def running(arguments: Sequence[str], port: int, *, core: int, client_core: int) -> Iterator[Started]:
    """Runs `python -m ARGUMENTS` on one core until it is left; this process goes on on another.

    Raises:
        UnavailableError: it does not come up; says what it logged.
    """
    address = f"127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        os.sched_setaffinity(0, {core})  # inherited, from its first instruction on
        started_s = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=log, stderr=log)
        os.sched_setaffinity(0, {client_core})
        try:
            while not (_listens(port) and check(address, timeout_s=1)):
                if process.poll() is not None or time.perf_counter() - started_s > _READY_TIMEOUT_S:
                    log.seek(0)
                    raise UnavailableError("The server did not start.", remedy=log.read().decode()[-2000:])
                time.sleep(_POLL_S)
            yield Started(process_id=process.pid, address=address, ready_s=time.perf_counter() - started_s)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    """Asked before the health check, for gRPC waits a second or more after a connection that was refused."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
