"""The quick start: sample data, training, a server with its page, a guided tour. All files lie in one folder."""

from __future__ import annotations

import hashlib
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from demo.sample_data import SampleData, ensure_sample_data
from lm.bundle.manifest import FORMAT_VERSION, MANIFEST_FILE
from lm.bundle.registry import Registry
from lm.errors import UnavailableError
from lm.text.normalize import NORMALIZER_VERSION
from training.config import TrainingConfig, load_config
from training.progress import Reporter, TerminalReporter

MODEL = "demo"
CONFIG_FILE = Path(__file__).with_name("demo.toml")
_REGISTRY, _STAMP = "registry", "demo.json"  # the stamp says which configuration the bundle was trained with
_METRICS_PORT, _PAGE_ADDRESS = 9464, "127.0.0.1:8080"
_POLL_S = 0.5


def run_demo(folder: Path, address: str, exit_after_tour: bool, console: Console) -> None:
    """Trains on the sample if that is not done yet, starts server and page, shows the tour, and serves until Ctrl-C.

    Args:
        folder: gets `sample/`, `registry/`, `work/`, `server.log` and `gateway.log`.
        address: HOST:PORT of the server.

    Raises:
        UnavailableError: the port is taken (said before any work), or the server or the gateway does not come up.
        AutocompleteError: what the data or the training want, each with its remedy.
    """
    from demo.server import free_address, is_port_free, running_gateway, running_server
    from demo.tour import take_tour

    if not is_port_free(address):
        raise UnavailableError(
            f"{address} is taken by another program.",
            remedy="Stop that program, or choose another port: `autocomplete demo --port 50052`.",
        )
    folder = folder.resolve()
    _announce(folder, address, console)
    _train(folder, TerminalReporter(console))
    metrics = f"127.0.0.1:{_METRICS_PORT}"
    if not is_port_free(metrics):
        console.print(f"Port {_METRICS_PORT} is taken, so this server shows no metrics.")
        metrics = "off"
    page, logs = free_address(_PAGE_ADDRESS), (folder / "server.log", folder / "gateway.log")
    registry = folder / _REGISTRY
    try:
        with (
            _stopped_like_by_ctrl_c(),
            running_server(registry, MODEL, address=address, metrics_address=metrics, log=logs[0]) as server,
            running_gateway(address, address=page, log=logs[1]) as gateway,
        ):
            for table in take_tour(address):
                console.print()
                console.print(table)
            if not exit_after_tour:
                _invite(address, metrics, page, console)
                _wait({logs[0]: server, logs[1]: gateway})
    except KeyboardInterrupt:
        console.print("\nStopped.")


def _wait(processes: Mapping[Path, subprocess.Popen[bytes]]) -> NoReturn:
    """Waits until one of the processes, each with its log, ends by itself.

    Raises:
        UnavailableError: one has.
    """
    while True:
        for log, process in processes.items():
            if (status := process.poll()) is not None:
                raise UnavailableError(f"The {log.stem} ended with status {status}.", remedy=f"See {log}.")
        time.sleep(_POLL_S)


def train_demo(folder: Path, console: Console) -> None:
    """Trains on the sample, unless the registry in `folder` has other models already.

    Raises:
        AutocompleteError: what the data or the training want, each with its remedy.
    """
    folder = folder.resolve()
    others = [name for name in Registry(folder / _REGISTRY).models() if name != MODEL]
    if others:
        console.print(f"{folder / _REGISTRY} has models: {', '.join(others)}. Nothing to train.", soft_wrap=True)
        return
    _train(folder, TerminalReporter(console))


def _announce(folder: Path, address: str, console: Console) -> None:
    """Says what comes, and how long it takes; of what is there already, nothing."""
    console.print("[bold]Autocomplete, from text to a running server[/bold]")
    if not (folder / _STAMP).is_file():
        console.print("Times are those of two processor cores:")
        console.print("  1. fetch the sample, 249 speeches and 64,757 web queries: a download of 82 MB, once")
        console.print("  2. build KenLM's programs, once on this machine: 1 minute")
        console.print("  3. train models of queries and of text, n-gram and recurrent, and a query index: 3 minutes")
        console.print(f"  4. serve them at {address}, and show what they suggest: 10 seconds")
    console.print(f"All files are in {folder}.\n", soft_wrap=True)


def _train(folder: Path, reporter: Reporter) -> None:
    """Trains, unless the registry has a bundle of exactly this configuration."""
    sample = ensure_sample_data(folder / "sample", reporter)
    config = _config(folder, sample)
    digest = stamp_of(config)
    if _is_trained(folder, digest):
        reporter.say("The models are trained already.")
        return
    from training.pipeline import train

    published = train(config, base=folder, reporter=reporter)
    aside = folder / "demo.partial"
    aside.write_text(json.dumps({"configuration": digest, "bundle": published.location}), encoding="utf-8")
    aside.replace(folder / _STAMP)


def _config(folder: Path, sample: SampleData) -> TrainingConfig:
    places = {
        "work": folder / "work",
        "publishing.registry": folder / _REGISTRY,
        "text.path": sample.speeches / "*.txt",
        "query_log.path": sample.queries,
    }
    return load_config(CONFIG_FILE, [f"{field}={json.dumps(str(path))}" for field, path in places.items()])


def stamp_of(config: TrainingConfig) -> str:
    """A digest of all that decides which bundle training makes and whether this program reads it."""
    versions = f"{FORMAT_VERSION} {NORMALIZER_VERSION}"
    return hashlib.sha256(f"{versions} {config.model_dump_json()}".encode()).hexdigest()


def _is_trained(folder: Path, digest: str) -> bool:
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
        return stamp["configuration"] == digest and (Path(stamp["bundle"]) / MANIFEST_FILE).is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _invite(address: str, metrics_address: str, page: str, console: Console) -> None:
    program = Path(sys.executable).with_name("autocomplete")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    method = "autocomplete.v1.AutocompleteService/CompleteQuery"
    commands = [
        f'{shlex.quote(str(program))} complete "new yor" --server {address}',
        f'grpcurl -plaintext -d \'{{"query": "new yor"}}\' {address} {method}',
    ]
    if metrics_address != "off":
        commands.append(f"curl -s http://{metrics_address}/metrics")
    console.print("\nTry it from another terminal, in this folder:")
    for command in commands:
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nThe page: [bold]http://{page}[/bold]", soft_wrap=True)
    console.print("Server and page stay up. [bold]Ctrl-C[/bold] stops them.")


@contextmanager
def _stopped_like_by_ctrl_c() -> Iterator[None]:
    """Closing the terminal, or `kill`, stops the server as gracefully as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
