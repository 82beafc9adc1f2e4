"""A server as a process: runs until it is told to stop, alone or as several workers on one port."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from service.app import Server
from service.config import ServerSettings
from service.telemetry.logs import configure_logs


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.

    Raises:
        ConfigError: the registry is empty, or a model that was named is not in it.
        UnavailableError: a port is taken, or the first workers do not come up.
        BundleError: no model could be opened.
    """
    configure_logs(settings.log_level, settings.log_format)
    if settings.workers > 1:
        from service.workers.supervisor import Supervisor

        Supervisor(settings).run()
    else:
        run(Server(settings))


def run(server: Server) -> None:
    """Runs a server until a signal or the server itself ends it.

    Raises:
        AutocompleteError: it could not be started, or no model could be opened.
    """
    stop_on_signals(server.request_stop)
    server.start()
    try:
        server.wait()
    finally:
        server.stop()


def stop_on_signals(request_stop: Callable[[str], None]) -> None:
    """Asks for a stop at the first SIGTERM or SIGINT; the second one ends the process."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        request_stop(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
