"""Server processes under measurement: on a core of their own, watched from another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from autocomplete_client.health import check
from benchmarks.command import ROOT
from lm.errors import ConfigError, UnavailableError
from tests.redis_process import free_port

_CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORES, SERVER_CORES = {_CORES[0]}, {_CORES[-1]}
ALL_CORES = set(_CORES)
_READY_TIMEOUT_S = 120.0
_POLL_S = 0.01
_STOP_TIMEOUT_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


def python_of(checkout: Path) -> Path:
    """The interpreter of a checkout: for this one what runs now, for others that of their virtual environment.

    Raises:
        ConfigError: it has none.
    """
    python = Path(sys.executable) if checkout == ROOT else checkout / ".venv" / "bin" / "python"
    if not python.is_file():
        raise ConfigError(f"There is no {python}.", remedy=f"Run `make .venv/built` in {checkout}.")
    return python


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A server that is ready.

    Attributes:
        ready_s: from the start of the process until its health check says that it serves.
        metrics_address: where its metrics are; empty if it has none.
    """

    process_id: int
    address: str
    ready_s: float
    metrics_address: str = ""

    def memory_mb(self, field: str) -> float:
        """`VmRSS` (resident now), `RssAnon` (its own) or `VmHWM` (at its highest), in MiB."""
        for line in Path(f"/proc/{self.process_id}/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) / 1024
        raise ValueError(field)

    def cpu_s(self) -> float:
        """Processor seconds so far of the process and its workers."""
        own = Path(f"/proc/{self.process_id}")
        workers = (own / "task" / own.name / "children").read_text(encoding="ascii").split()
        # after the process's name come the fields of /proc/PID/stat; the 12th and 13th are its times
        texts = [Path(f"/proc/{process}/stat").read_text(encoding="utf-8") for process in (own.name, *workers)]
        return sum(int(ticks) for text in texts for ticks in text.rpartition(")")[2].split()[11:13]) / _TICKS

    def counted(self, metric: str, **labels: str) -> float:
        """A counter's or gauge's value, summed over what the labels leave open."""
        with urlopen(f"http://{self.metrics_address}/metrics") as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        )


@contextmanager
def real_server(
    registry: Path,
    *,
    flags: Mapping[str, object],
    cores: Collection[int] = SERVER_CORES,
    checkout: Path = ROOT,
) -> Iterator[Started]:
    """`autocomplete serve` with metrics, default logs and admission.

    Args:
        checkout: serves.
        flags: settings by the name of their flag.
    """
    address, metrics_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    given = {"--registry": registry, "--address": address, "--metrics-address": metrics_address, **flags}
    arguments = [str(part) for pair in given.items() for part in pair]
    with _running(["cli.main", "serve", *arguments], address, cores, metrics_address, checkout=checkout) as server:
        yield server


@contextmanager
def empty_server(answers: Mapping[str, bytes], *, cores: Collection[int] = SERVER_CORES) -> Iterator[Started]:
    """The server that does nothing: see `benchmarks.serving.empty_server`.

    Args:
        answers: what each method answers.
    """
    port = free_port()
    ready = [f"{method}={answer.hex()}" for method, answer in answers.items()]
    with _running(["benchmarks.serving.empty_server", str(port), *ready], f"127.0.0.1:{port}", cores) as server:
        yield server


@contextmanager
def gateway(server: Started, *, cores: Collection[int]) -> Iterator[Started]:
    """`autocomplete gateway` of a server."""
    address = f"127.0.0.1:{free_port()}"
    command = ["cli.main", "gateway", "--server", server.address, "--address", address]
    with _running(command, address, cores, ready=_answers_http) as started:
        yield started


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """This process, and what it starts from its first instruction on, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _running(
    arguments: Sequence[str],
    address: str,
    cores: Collection[int],
    metrics_address: str = "",
    ready: Callable[[str], bool] = lambda address: check(address, timeout_s=1),
    checkout: Path = ROOT,
) -> Iterator[Started]:
    """Runs `python -m ARGUMENTS` in a checkout until it is left.

    Args:
        ready: whether what listens at an address serves.

    Raises:
        UnavailableError: it does not come up; says what it logged.
    """
    with tempfile.TemporaryFile() as log:
        started_s = time.perf_counter()
        with pinned(cores):
            command = [str(python_of(checkout)), "-m", *arguments]
            # for another checkout no path to the packages of this one
            environment = {
                name: value for name, value in os.environ.items() if checkout == ROOT or name != "PYTHONPATH"
            }
            process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log)
        try:
            while not (_listens(address) and ready(address)):
                if process.poll() is not None or time.perf_counter() - started_s > _READY_TIMEOUT_S:
                    log.seek(0)
                    raise UnavailableError("The server did not start.", remedy=log.read().decode()[-2000:])
                time.sleep(_POLL_S)
            ready_s = time.perf_counter() - started_s
            yield Started(process_id=process.pid, address=address, ready_s=ready_s, metrics_address=metrics_address)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers_http(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _listens(address: str) -> bool:
    """Asked before the health check, for gRPC waits a second or more after a connection that was refused."""
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
