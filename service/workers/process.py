"""A server as a process: runs until it is told to stop, alone or as one of several workers on a port."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from prometheus_client import values

from lm.errors import AutocompleteError
from service.app import Server
from service.config import ServerSettings
from service.telemetry.logs import configure_logs

BEAT_S = 1.0
"""Time between two signs of life, which are also when shared metrics are brought up to date."""
_SWITCH_S = 0.0005
"""For so long the event loop waits for a thread that computes, each time it has something to do; Python's is ten times
that."""
SERVES, BEATS, FAILED = "serves", "beats", "failed"
"""What a worker says to its supervisor, each with a text."""


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
        UnavailableError: a port is taken, or the first workers do not come up.
        BundleError: no model could be opened.
    """
    configure_logs(settings.log_level, settings.log_format)
    _allow_files()
    if settings.workers > 1:
        from service.workers.supervisor import Supervisor

        Supervisor(settings).run()
    else:
        run(Server(settings))


def _allow_files() -> None:
    """Lets the process and its workers open as many files as the system allows: each mapped array is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(server: Server) -> None:
    """Runs a server until SIGTERM, SIGINT or the server itself ends it; a second signal ends the process.

    Raises:
        AutocompleteError: it could not be started, or no model could be opened.
    """
    signals = (signal.SIGTERM, signal.SIGINT)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_DFL)
        server.request_stop(signal.Signals(number).name)

    for number in signals:
        signal.signal(number, on_signal)
    sys.setswitchinterval(_SWITCH_S)
    server.start()
    try:
        server.wait()
    finally:
        server.stop()


def run_worker(settings: dict[str, Any], slot: int, metrics_folder: str, supervisor: Connection) -> None:
    """As a child of `service.workers.supervisor`, serves until SIGTERM, or until the supervisor is gone.

    Args:
        settings: the fields of `ServerSettings`, checked.
        slot: the worker's number; a replacement takes it over, and goes on with the counts in its files.
        metrics_folder: where the workers' metrics lie.
        supervisor: is told once calls are answered, or why they never will be, and of every beat; its end is the
            supervisor's end.
    """
    share_metrics(metrics_folder, slot)
    checked = ServerSettings.model_construct(**settings)
    configure_logs(checked.log_level, checked.log_format)
    sending = threading.Lock()

    def say(what: str, text: str = "") -> None:
        with sending:
            supervisor.send((what, text))

    try:
        server = Server(checked, on_serving=lambda: say(SERVES))
        threading.Thread(target=_watch, args=(supervisor, server, say), name="supervisor-watch", daemon=True).start()
        run(server)
    except AutocompleteError as error:
        say(FAILED, str(error))
        sys.exit(1)


def share_metrics(folder: str, slot: int) -> None:
    """Has all metrics that are made from now on kept in files of a folder, where they outlive the process."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def _watch(supervisor: Connection, server: Server, say: Callable[[str], None]) -> None:
    """Says that the process lives for as long as its event loop turns, until the supervisor is gone."""
    turned = threading.Event()
    server.soon(turned.set)
    while not supervisor.poll(BEAT_S):  # the supervisor says nothing, so what can be read is its end
        server.metrics.refresh()
        if turned.is_set():
            say(BEATS)
            turned.clear()
            server.soon(turned.set)
    server.request_stop("the supervisor is gone")
