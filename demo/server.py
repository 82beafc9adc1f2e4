"""The demo's server: a process of its own, as in production. It stops when the demo ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autocomplete_client.health import check
from lm.errors import UnavailableError
from service.config import split_address

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_POLL_S = 0.1


def is_port_free(address: str) -> bool:
    """Whether a server could listen on HOST:PORT now."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a port that a process has just left counts as free
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


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
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "serve",
        "--registry",
        str(registry),
        "--default-model",
        model,
    ]
    command += ["--address", address, "--metrics-address", metrics_address]
    log.parent.mkdir(parents=True, exist_ok=True)
    # in a session of its own: Ctrl-C then reaches only the demo, which stops the server in order
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_serving(process, address, log)
        yield process
    finally:
        _stop(process)


def _wait_until_serving(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not check(address, timeout_s=2):
        if process.poll() is not None:
            raise UnavailableError(f"The server did not start: {_last_line(log)}", remedy=f"See its log, {log}.")
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"The server at {address} is not ready after {_READY_TIMEOUT_S:g} s.",
                remedy=f"See its log, {log}.",
            )
        time.sleep(_POLL_S)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty."


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the process to finish its calls and stop. Kills it if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
