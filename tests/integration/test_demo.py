"""What the quick start checks before it works, and how it stops."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from demo import demo as module
from demo.demo import run_demo, train_demo
from demo.sample_data import SampleData
from demo.server import free_address, is_port_free, running_server
from demo.tour import take_tour
from lm.bundle.manifest import MANIFEST_FILE
from lm.errors import UnavailableError
from tests.redis_process import free_port


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert not is_port_free(address)

        with pytest.raises(UnavailableError, match=r"is taken .*--port"):
            run_demo(tmp_path / "var", address, True, Console(file=io.StringIO()))

    assert is_port_free(address)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_trained_where_there_are_models(tmp_path: Path) -> None:
    version = tmp_path / "registry" / "shop" / "20260101-000000"
    version.mkdir(parents=True)
    (version / MANIFEST_FILE).touch()
    console = Console(file=io.StringIO(), width=1000)

    train_demo(tmp_path, console)

    assert "has models: shop. Nothing to train." in console.file.getvalue()  # type: ignore[attr-defined]
    assert [path.name for path in tmp_path.iterdir()] == ["registry"]


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    server = running_server(
        tmp_path / "no-registry", "demo", address=address, metrics_address="off", log=tmp_path / "server.log"
    )

    with pytest.raises(UnavailableError, match=r"did not start.*server\.log"), server:
        pytest.fail("it started without a model")


def test_another_port_is_taken_for_the_page_where_the_usual_one_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"

        found = free_address(taken)

        assert found != taken
        assert is_port_free(found)
    assert free_address(taken) == taken


def test_the_tour_shows_what_is_probable_and_of_its_kind(tiny_bundle_registry: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running_server(
        tiny_bundle_registry, "tiny", address=address, metrics_address="off", log=tmp_path / "server.log"
    ):
        tables = {str(table.title): table for table in take_tour(address)}

    assert "Words that come next in a text" in tables
    for title, table in tables.items():
        _, texts, probabilities, sources = (list(column.cells) for column in table.columns)
        assert 1 <= len(texts) <= 4
        for cell in probabilities:
            assert all(int(each.rstrip("%")) >= 1 for each in str(cell).splitlines())
        kind = {
            "Queries of the log that begin with what was typed": "log",
            "Queries that are not in the log": "generated",
        }
        if title in kind:
            assert all(kind[title] in str(cell).splitlines()[0] for cell in sources)


@pytest.fixture
def demo_folder(tmp_path: Path, tiny_bundle: Path, sample_data: SampleData) -> Path:
    """The demo's folder after training, with a bundle that was trained faster."""
    shutil.copytree(sample_data.queries.parent, tmp_path / "sample", copy_function=os.link)
    bundle = tmp_path / "registry" / module.MODEL / tiny_bundle.name
    shutil.copytree(tiny_bundle, bundle)
    shutil.copy2(tiny_bundle.parent / "ACTIVE", bundle.parent)
    sample = SampleData(speeches=tmp_path / "sample" / "speeches", queries=tmp_path / "sample" / "queries.txt")
    digest = module.stamp_of(module._config(tmp_path, sample))
    (tmp_path / module._STAMP).write_text(json.dumps({"configuration": digest, "bundle": str(bundle)}))
    return tmp_path


@contextmanager
def _demo(folder: Path, address: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`autocomplete demo` as a process, and what it said until it serves."""
    command = [sys.executable, "-m", "cli.main", "demo", "--folder", str(folder), "--port", address.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        yield process, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_and_page_run_until_the_demo_is_stopped(demo_folder: Path, number: int) -> None:
    address = f"127.0.0.1:{free_port()}"
    with _demo(demo_folder, address) as (process, said):
        (page,) = re.findall(r"The page: http://(127\.0\.0\.1:\d+)", said)
        with urllib.request.urlopen(f"http://{page}/v1:completeQuery?query=new") as answer:
            assert json.load(answer)["suggestions"]
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        assert process.wait(timeout=60) == 0

    assert started
    assert not any(each.is_running() for each in started)
    assert '"stopped"' in (demo_folder / "gateway.log").read_text()


def test_a_demo_whose_page_ends_says_so(demo_folder: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with _demo(demo_folder, address) as (process, _said):
        server, gateway = sorted(psutil.Process(process.pid).children(), key=psutil.Process.create_time)
        gateway.kill()

        assert process.wait(timeout=60) == 1

    assert not server.is_running()


def test_a_tour_of_no_server_is_one_clear_error() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        take_tour(f"127.0.0.1:{free_port()}")
