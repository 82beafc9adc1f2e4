"""The terminal's search box, on a real server, with keys that a test presses."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from autocomplete_client import AsyncClient
from cli.shell_box import Box
from tests.redis_process import free_port
from tests.service_twins import running

_ROOT = Path(__file__).resolve().parents[2]
_TAB, _UP, _DOWN, _ENTER, _SWITCH, _END = "\t", "\x1b[A", "\x1b[B", "\r", "\x14", "\x03"
Script = Callable[[Box, PipeInput], Awaitable[None]]


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def _play(address: str, script: Script, *, words: bool = False) -> Box:
    """Runs a box, a script pressing its keys, until it ends by itself."""

    async def play() -> Box:
        with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
            async with AsyncClient(address) as client:
                box = Box(client, address=address, model="", limit=5, words=words)
                shown = asyncio.create_task(box.run())
                await script(box, keys)
                keys.send_text(_END)
                async with asyncio.timeout(20):
                    await shown
                return box

    return asyncio.run(play())


def _texts(box: Box) -> list[str]:
    return [row.text for row in box.rows]


def _line(box: Box) -> str:
    return "".join(part[1] for part in box._status_line())


def test_it_completes_what_is_typed_and_tab_takes_a_suggestion(tmp_path: Path) -> None:
    async def script(box: Box, keys: PipeInput) -> None:
        keys.send_text("new yor")
        await _until(lambda: "final" in box.status and _texts(box) == ["new yorc", "new yorb", "new yora"])
        assert "twin 20260101T000000Z" in _line(box)
        assert " log · " in _line(box)
        assert " ms, final" in _line(box)
        keys.send_text(_DOWN + _DOWN + _DOWN)
        await _until(lambda: box.chosen == 2)
        assert "generated · " in _line(box)
        keys.send_text(_UP + _TAB)
        await _until(lambda: box.buffer.text == "new yorb")
        await _until(lambda: _texts(box)[0] == "new yorbc")

    with running(tmp_path) as (server, _channel):
        _play(f"127.0.0.1:{server.port}", script)


def test_enter_prints_the_query_and_empties_the_box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def script(box: Box, keys: PipeInput) -> None:
        keys.send_text("tea")
        await _until(lambda: _texts(box) == ["teac", "teab", "teaa"])
        keys.send_text(_ENTER)
        await _until(lambda: not box.buffer.text and _texts(box) == ["c", "b", "a"])
        keys.send_text(_DOWN)
        await _until(lambda: box.chosen == 0)
        keys.send_text(_ENTER)
        await _until(lambda: box.chosen is None)

    with running(tmp_path) as (server, _channel):
        _play(f"127.0.0.1:{server.port}", script)

    assert [line for line in capsys.readouterr().out.splitlines() if len(line) < 4] == ["tea", "c"]  # others: the log


def test_next_words_are_a_second_mode(tmp_path: Path) -> None:
    async def script(box: Box, keys: PipeInput) -> None:
        keys.send_text("the united ")
        await _until(lambda: "final" in box.status)
        keys.send_text(_SWITCH)
        await _until(lambda: _texts(box) == ["the united states ", "the united nations "])
        assert box.words
        keys.send_text(_TAB)
        await _until(lambda: box.buffer.text == "the united states ")
        keys.send_text(_SWITCH)
        await _until(lambda: _texts(box)[:1] == ["the united states c"])

    with running(tmp_path) as (server, _channel):
        _play(f"127.0.0.1:{server.port}", script)


@pytest.mark.parametrize("words", [False, True])
def test_a_server_that_is_down_is_said_and_the_box_goes_on(words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autocomplete_client._async.session.PATIENCE_S", 0.2)
    address = f"127.0.0.1:{free_port()}"

    async def script(box: Box, keys: PipeInput) -> None:
        keys.send_text("new")
        await _until(lambda: f"No server answers at {address}" in box.status)

    assert _play(address, script, words=words).buffer.text == "new"


def test_the_command_runs_in_a_terminal_and_says_so_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "shell", "--address"]
    elsewhere = subprocess.run([*command, "127.0.0.1:1"], cwd=_ROOT, capture_output=True, text=True, check=False)
    with running(tmp_path) as (server, _channel):
        ours, theirs = pty.openpty()
        process = subprocess.Popen([*command, f"127.0.0.1:{server.port}"], cwd=_ROOT, stdin=theirs, stdout=theirs)
        os.close(theirs)
        shown = b""
        while b"generated" not in shown:
            chunk = os.read(ours, 65536)
            if b"\x1b[6n" in chunk:
                os.write(ours, b"\x1b[1;1R")  # a terminal says where its cursor is
            shown += chunk
        os.write(ours, _END.encode())
        _drain(ours)
        assert process.wait(20) == 0

    assert elsewhere.returncode == 1
    assert "not a terminal" in elsewhere.stderr
    assert b"query>" in shown


def _drain(descriptor: int) -> None:
    with suppress(OSError):  # how a terminal says that nobody writes to it any more
        while os.read(descriptor, 65536):
            continue
    os.close(descriptor)
