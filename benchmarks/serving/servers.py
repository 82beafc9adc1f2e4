"""Server processes under measurement: on a core of their own, watched from another."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.command import ROOT
from demo.server import running, serves
from lm.errors import ConfigError
from tests.redis_process import free_port

_CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORES, SERVER_CORES = {_CORES[0]}, {_CORES[-1]}
ALL_CORES = set(_CORES)


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

    process: psutil.Process
    address: str
    ready_s: float
    metrics_address: str = ""

    def cpu_s(self) -> float:
        """Processor seconds so far of the process and its workers."""
        times = [each.cpu_times() for each in (self.process, *self.process.children())]
        return sum(float(each.user + each.system) for each in times)

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
    flags: Mapping[str, object],
    *,
    cores: Collection[int] = SERVER_CORES,
    checkout: Path = ROOT,
) -> Iterator[Started]:
    """`autocomplete serve` of a checkout, with metrics, default logs and admission; flags are by their name."""
    address, metrics_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    given = {"--registry": registry, "--address": address, "--metrics-address": metrics_address, **flags}
    arguments = [str(part) for pair in given.items() for part in pair]
    command = ["cli.main", "serve", *arguments]
    with _running(command, address, cores, checkout=checkout, metrics_address=metrics_address) as server:
        yield server


@contextmanager
def empty_server(answers: Mapping[str, bytes]) -> Iterator[Started]:
    """The server that does nothing but give a fixed answer to each method: see `benchmarks.serving.empty_server`."""
    port = free_port()
    ready = [f"{method}={answer.hex()}" for method, answer in answers.items()]
    with _running(["benchmarks.serving.empty_server", str(port), *ready], f"127.0.0.1:{port}", SERVER_CORES) as server:
        yield server


@contextmanager
def gateway(server: Started) -> Iterator[Started]:
    """`autocomplete gateway` of a server, on the client's core."""
    address = f"127.0.0.1:{free_port()}"
    command = ["cli.main", "gateway", "--server", server.address, "--address", address]
    with _running(command, address, CLIENT_CORES, is_ready=_answers_http) as started:
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
    *,
    is_ready: Callable[[str], bool] = serves,
    checkout: Path = ROOT,
    metrics_address: str = "",
) -> Iterator[Started]:
    """Runs `python -m ARGUMENTS` in a checkout until it is left."""
    command = ["taskset", "--cpu-list", ",".join(map(str, cores)), str(python_of(checkout)), "-m", *arguments]
    # for another checkout no path to the packages of this one
    environment = {name: value for name, value in os.environ.items() if checkout == ROOT or name != "PYTHONPATH"}
    started_s = time.perf_counter()
    with (
        tempfile.NamedTemporaryFile() as log,
        running(
            command, lambda: is_ready(address), log=Path(log.name), folder=checkout, environment=environment
        ) as process,
    ):
        ready_s = time.perf_counter() - started_s
        pid = psutil.Process(process.pid)
        yield Started(process=pid, address=address, ready_s=ready_s, metrics_address=metrics_address)


def _answers_http(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
