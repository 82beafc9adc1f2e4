"""The demo's server and gateway: processes of their own, as in production. They stop when the demo ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
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


def free_address(wanted: str) -> str:
    """HOST:PORT as wanted or, if another program has that port, the host with a port that is free now."""
    if is_port_free(wanted):
        return wanted
    host, _ = split_address(wanted)
    with socket.create_server((host, 0)) as probe:
        return f"{host}:{probe.getsockname()[1]}"


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
    # in a session of its own: Ctrl-C then reaches only the demo, which stops the server in order
    with running(command, lambda: serves(address), log=log, own_session=True) as process:
        yield process


@contextmanager
def running_gateway(server: str, *, address: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Starts `autocomplete gateway` before a server, waits until both answer, and stops it gracefully at the end.

    Args:
        server: HOST:PORT of the server.
        address: HOST:PORT of the gateway.
        log: where its log goes.

    Raises:
        UnavailableError: it does not come up; says what it logged last.
    """
    command = [sys.executable, "-m", "cli.main", "gateway", "--address", address, "--server", server]
    with running(command, lambda: _is_ready(f"http://{address}/readyz"), log=log, own_session=True) as process:
        yield process


def _is_ready(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def running(
    command: Sequence[str],
    is_ready: Callable[[], bool],
    *,
    log: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    own_session: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a program, waits until it is ready, and stops it gracefully at the end.

    Raises:
        UnavailableError: it does not get ready; says what it logged last.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=own_session,
        )
    try:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                problem = f"The program did not start: {last or 'its log is empty.'}"
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
