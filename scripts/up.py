"""Runs the services of `docker-compose.yml` without Docker, on loopback, until Ctrl-C: `make up`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from demo.server import is_port_free
from lm.bundle.registry import Registry
from scripts.compose_processes import Service, local_services, read_compose

_ROOT = Path(__file__).resolve().parent.parent
_POLL_S = 0.2
_HEALTHY_WITHIN_S = 120.0
_RESTART_AFTER_S = 1.0
_output_lock = threading.Lock()


class Running:
    """A service's process, and the thread that prints what it says."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.ended_s: float | None = None
        self.start()

    def start(self) -> None:
        """Starts the process in a session of its own: Ctrl-C reaches only this program, which stops all in order."""
        self.ended_s = None
        self.process = subprocess.Popen(
            self.service.command,
            env=dict(self.service.environment),
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._printer = threading.Thread(target=_print_lines, args=(self.service.name, self.process.stdout))
        self._printer.start()

    def watch(self, now_s: float) -> None:
        """Starts the process again a second after it ended."""
        if self.process.poll() is None or not self.service.restarts:
            return
        if self.ended_s is None:
            self.ended_s = now_s
            say(self.service.name, f"ended with status {self.process.returncode}, starts again")
        elif now_s - self.ended_s >= _RESTART_AFTER_S:
            self.start()

    def stop(self) -> None:
        """Asks the process to stop. If it does not, kills it and all that it started."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=self.service.stop_s)
            except subprocess.TimeoutExpired:
                say(self.service.name, f"still runs after {self.service.stop_s:g} s: killed")
                self.kill()
        self._printer.join()

    def kill(self) -> None:
        """Kills the process and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def main(arguments: list[str]) -> int:
    """Runs until SIGINT or SIGTERM; returns the exit status."""
    given = _arguments(arguments)
    compose = read_compose(_ROOT / "docker-compose.yml", os.environ)
    services = local_services(compose, data=given.data or _data_folder(), state=given.state, shift=given.shift)
    ports = [port for service in services if not service.missing for port in service.ports]
    taken = [str(port) for port in ports if not is_port_free(f"127.0.0.1:{port}")]
    if taken:
        say("up", f"port {', '.join(taken)} is taken: stop what listens there, or add --shift 1000")
        return 1
    signal.signal(signal.SIGTERM, _interrupt)
    running: list[Running] = []
    try:
        for service in services:
            if not _start(service, running):
                return 1
        for each in running:
            if each.service.health and not _becomes_healthy(each):
                return 1
        say("up", f"page: http://127.0.0.1:{8080 + given.shift}  Prometheus: http://127.0.0.1:{9090 + given.shift}")
        say("up", "all started; Ctrl-C ends them")
        while True:
            time.sleep(_POLL_S)
            for each in running:
                each.watch(time.monotonic())
    except KeyboardInterrupt:
        say("up", "stopping")
        return 0
    finally:
        _stop_all(running)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument("--shift", type=int, default=0, help="add this to every port, if some are taken")
    parser.add_argument("--data", type=Path, help="folder that holds `registry`; by default var, or else var/demo")
    parser.add_argument("--state", type=Path, default=_ROOT / "var" / "up", help="folder for what the services write")
    return parser.parse_args(arguments)


def _stop_all(running: list[Running]) -> None:
    """Stops all, in reverse order. A second Ctrl-C kills the rest."""
    try:
        for each in reversed(running):
            each.stop()
    except BaseException:
        for each in running:
            each.kill()
        raise


def _data_folder() -> Path:
    own = _ROOT / "var"
    return own if Registry(own / "registry").models() else own / "demo"


def _start(service: Service, running: list[Running]) -> bool:
    """Starts a service once the services that it needs are ready; returns False if one of them fails."""
    if service.missing:
        say(service.name, f"left out: {service.missing} on this machine")
        return True
    for other in running:
        condition = service.after.get(other.service.name)
        if condition == "service_healthy" and not _becomes_healthy(other):
            return False
        if condition == "service_completed_successfully" and other.process.wait() != 0:
            say(other.service.name, f"failed with status {other.process.returncode}; its output above says why")
            return False
    running.append(Running(service))
    return True


def _becomes_healthy(running: Running) -> bool:
    deadline_s = time.monotonic() + _HEALTHY_WITHIN_S
    while time.monotonic() < deadline_s:
        if is_healthy(running.service):
            return True
        if running.process.poll() is not None:
            break
        time.sleep(_POLL_S)
    say(running.service.name, f"ended, or is not well after {_HEALTHY_WITHIN_S:g} s; its output above says why")
    return False


def is_healthy(service: Service) -> bool:
    """Whether the service passes its own health check."""
    check = subprocess.run(service.health, env=dict(service.environment), cwd=_ROOT, capture_output=True, check=False)
    return check.returncode == 0


def say(name: str, line: str) -> None:
    """Prints a line under a service's name."""
    with _output_lock:
        sys.stdout.write(f"{name:<10} | {line}\n")
        sys.stdout.flush()


def _print_lines(name: str, output: IO[bytes]) -> None:
    with output:
        for line in output:
            say(name, line.decode("utf-8", "replace").rstrip())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
