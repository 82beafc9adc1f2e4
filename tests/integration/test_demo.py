"""What the quick start checks before it works, and how it stops."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from rich.console import Console

from demo.demo import run_demo, train_demo
from demo.server import is_port_free, running_server
from demo.tour import QUERY_PREFIXES, TEXT_PREFIXES, take_tour
from lm.bundle.manifest import MANIFEST_FILE
from lm.errors import UnavailableError
from tests.redis_process import free_port
from tests.service_twins import running


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


def test_the_tour_shows_an_answer_to_every_prefix(tmp_path: Path) -> None:
    with running(tmp_path) as (server, _channel):
        tables = take_tour(f"127.0.0.1:{server.port}")

    console = Console(file=io.StringIO(), width=120)
    for table in tables:
        console.print(table)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for prefix in (*QUERY_PREFIXES, *TEXT_PREFIXES):
        assert f"{prefix}_" in shown
    assert "from the log" in shown


def test_a_tour_of_no_server_is_one_clear_error() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        take_tour(f"127.0.0.1:{free_port()}")
