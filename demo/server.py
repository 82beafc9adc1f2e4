"""The demo's server: a process of its own, as in production. It stops when the demo ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from autocomplete_client.health import check
from lm.errors import UnavailableError
from service.config import split_address

_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.01


def is_port_free(address: str) -> bool:
    """Whether a server could listen on HOST:PORT now."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # a port that a process has just left counts as free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def serves(address: str) -> bool:
    """Whether a gRPC server at HOST:PORT is ready."""
    # connects first, for gRPC waits a second or more after a connection that was refused
    try:
        socket.create_connection(split_address(address), timeout=2).close()
    except OSError:
        return False
    return check(address, timeout_s=2)


@contextmanager
def running_server(
    registry: Path, model: str, *, address: str, metrics_address: str, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts `autocomplete serve`, waits until it serves, and stops it gracefully at the end.

    Args:
        metrics_address: HOST:PORT, or `off`.
        log: where its log goes.

    Raises:
        UnavailableError: it does not come up; says what it logged last.
    """
    flags = {
        "--registry": str(registry),
        "--default-model": model,
        "--address": address,
        "--metrics-address": metrics_address,
    }
    command = [sys.executable, "-m", "cli.main", "serve", *(part for flag in flags.items() for part in flag)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with running(command, lambda: serves(address), log=log) as process:
        yield process


@contextmanager
def running(
    command: Sequence[str],
    is_ready: Callable[[], bool],
    *,
    log: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a program, waits until it is ready, and stops it gracefully at the end.

    Raises:
        UnavailableError: it does not get ready; says what it logged last.
    """
    # in a session of its own: Ctrl-C then reaches only this process, which stops the program in order
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                problem = f"The server did not start: {last or 'its log is empty.'}"
                raise UnavailableError(problem, remedy=f"See its log, {log}.")
            time.sleep(_POLL_S)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
