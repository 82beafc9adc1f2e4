"""`autocomplete gateway` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.redis_process import free_port
from tests.service_twins import TwinModel, eventually, running

_ROOT = Path(__file__).resolve().parents[2]


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.main", "gateway", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_stops_gracefully_and_never_logs_what_was_typed(tmp_path: Path) -> None:
    port = free_port()
    twin = TwinModel()
    with running(tmp_path, twin) as (server, _):
        flags = ["--address", f"127.0.0.1:{port}", "--server", f"127.0.0.1:{server.port}", "--log-level", "debug"]
        process = _start(*flags)
        try:
            eventually(lambda: _status(f"http://127.0.0.1:{port}/readyz") == 200, timeout_s=60)
            for path in ("v1:completeQuery?query=sesame", "suggest?q=sesame", "?q=sesame", "v1:completeQuery?sesame=1"):
                _status(f"http://127.0.0.1:{port}/{path}")
            twin.failure = ValueError("sesame")
            assert _status(f"http://127.0.0.1:{port}/suggest?q=sesame2") == 500
            twin.failure = None
            with connect(f"ws://127.0.0.1:{port}/v1:streamCompleteQuery") as session:
                session.send('{"config": {}}')
                session.send('{"keystroke": {"sequenceNumber": 1, "query": "sesame"}}')
                session.recv(20)
                process.send_signal(signal.SIGTERM)
                _, logged = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
    assert process.returncode == 0, logged
    assert "sesame" not in logged
    calls = [line for line in map(json.loads, logged.splitlines()) if line["event"] == "call"]
    assert {"method": "Suggest", "status": 200}.items() <= next(c for c in calls if c["method"] == "Suggest").items()


@pytest.mark.parametrize(
    ("flag", "value", "problem"), [("--server", "nowhere", "not HOST:PORT"), ("--address", "", "")]
)
def test_a_wrong_setting_or_a_taken_port_is_one_paragraph(flag: str, value: str, problem: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = value or f"127.0.0.1:{taken.getsockname()[1]}"
        _, logged = (process := _start(flag, given)).communicate(timeout=60)
    assert process.returncode == 1
    assert logged.splitlines()[-1].startswith(f"Error: {flag}: ")
    assert (problem or "cannot listen") in logged
