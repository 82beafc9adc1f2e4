"""One of several server processes on a port: the child's side of `service.workers.supervisor`."""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from prometheus_client import values

from lm.errors import AutocompleteError
from service.app import Server
from service.config import ServerSettings
from service.telemetry.logs import configure_logs
from service.workers.process import run

_REFRESH_S = 1.0


def run_worker(settings: dict[str, Any], slot: int, metrics_folder: str, supervisor: Connection) -> None:
    """Serves until SIGTERM, or until the supervisor is gone.

    Args:
        settings: the fields of `ServerSettings`, checked.
        slot: the worker's number; a replacement takes it over, and goes on with the counts in its files.
        metrics_folder: where the workers' metrics lie.
        supervisor: gets None once calls are answered, or why they never will be; its end is the supervisor's end.
    """
    share_metrics(metrics_folder, slot)
    checked = ServerSettings.model_construct(**settings)
    configure_logs(checked.log_level, checked.log_format)
    try:
        server = Server(checked, on_serving=lambda: supervisor.send(None))
        threading.Thread(target=_watch, args=(supervisor, server), name="supervisor-watch", daemon=True).start()
        run(server)
    except AutocompleteError as error:
        supervisor.send(str(error))
        sys.exit(1)


def share_metrics(folder: str, slot: int) -> None:
    """Has all metrics that are made from now on kept in files of a folder, where they outlive the process."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def _watch(supervisor: Connection, server: Server) -> None:
    while not supervisor.poll(_REFRESH_S):  # it sends nothing: what can be read is the end
        server.metrics.refresh()
    server.request_stop("the supervisor is gone")
