"""Runs the services of `docker-compose.yml` without Docker, on loopback, until Ctrl-C: `make up`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from demo.server import is_port_free
from lm.bundle.registry import Registry
from scripts.compose_processes import Service, local_services, read_compose

_ROOT = Path(__file__).resolve().parent.parent
_POLL_S = 0.2
_HEALTHY_WITHIN_S = 120.0


def main(arguments: list[str]) -> None:
    """Runs until SIGINT or SIGTERM.

    Raises:
        SystemExit: a port is taken, or a service does not start.
    """
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument("--shift", type=int, default=0, help="add this to every port, if some are taken")
    parser.add_argument("--data", type=Path, help="folder that holds `registry`; by default var, or else var/demo")
    parser.add_argument("--state", type=Path, default=_ROOT / "var" / "up", help="folder for what the services write")
    given = parser.parse_args(arguments)
    data = given.data or (_ROOT / "var" if Registry(_ROOT / "var" / "registry").models() else _ROOT / "var" / "demo")
    compose = read_compose(_ROOT / "docker-compose.yml", os.environ)
    services = local_services(compose, data=data, state=given.state, shift=given.shift)
    ports = [port for service in services if not service.missing for port in service.ports]
    taken = [str(port) for port in ports if not is_port_free(f"127.0.0.1:{port}")]
    if taken:
        sys.exit(f"Port {', '.join(taken)} is taken: stop what listens there, or add --shift 1000.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as running:
        try:
            for service in services:
                _start(service, running)
            say("up", f"page: http://127.0.0.1:{8080 + given.shift}  Prometheus: http://127.0.0.1:{9090 + given.shift}")
            say("up", "all started; Ctrl-C ends them")
            while True:
                signal.pause()
        except KeyboardInterrupt:
            say("up", "stopping")


def _start(service: Service, running: ExitStack) -> None:
    """Starts a service and waits until it is well or, if it is a task, has ended. `running` will stop it."""
    if service.missing:
        say(service.name, f"left out: no program `{service.missing}` on this machine")
        return
    process = subprocess.Popen(
        service.command,
        env=dict(service.environment),
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that Ctrl-C reaches this program alone, which stops all in order
    )
    running.callback(_stop, service, process)
    threading.Thread(target=_print_lines, args=(service.name, process)).start()
    if not service.health:
        ready = process.wait() == 0
    else:
        deadline_s = time.monotonic() + _HEALTHY_WITHIN_S
        while not (ready := _is_healthy(service)) and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
    if not ready:
        sys.exit(f"{service.name} failed, or is not well after {_HEALTHY_WITHIN_S:g} s. Its output above says why.")


def _is_healthy(service: Service) -> bool:
    environment = dict(service.environment)
    check = subprocess.run(service.health, env=environment, cwd=_ROOT, capture_output=True, check=False)
    return check.returncode == 0


def _stop(service: Service, process: subprocess.Popen[bytes]) -> None:
    """Asks a process to stop. If it does not, or at another Ctrl-C, kills it and all that it started."""
    process.terminate()
    try:
        process.wait(timeout=service.stop_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        say(service.name, "killed")
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def say(name: str, line: str) -> None:
    """Prints a line under a service's name, in one piece."""
    sys.stdout.write(f"{name:<10} | {line}\n")
    sys.stdout.flush()


def _print_lines(name: str, process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            say(name, line.decode("utf-8", "replace").rstrip())
    say(name, f"ended with status {process.wait()}")


if __name__ == "__main__":
    main(sys.argv[1:])
