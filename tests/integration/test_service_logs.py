from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from service.telemetry.logs import configure_logs, trace_of


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level
    logging.getLogger("service").setLevel(logging.NOTSET)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_a_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    log = structlog.get_logger("service.test")
    log.debug("unseen")
    log.warning("seen", model="m")
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["model"]) == ("seen", "warning", "m")
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_log_in_the_same_form_and_without_what_they_quote(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("info", "json")
    logging.getLogger("grpc._server").info("unseen")
    try:
        raise KeyError("what the user typed")
    except KeyError:
        logging.getLogger("grpc._server").exception("Exception calling application: what the user typed")
    (line,) = lines(capsys)
    assert "typed" not in json.dumps(line)
    assert str(line["trace"]).endswith("'KeyError']")


def test_people_get_lines_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug", "console")
    structlog.get_logger("service.test").debug("seen", model="m")
    assert "seen" in capsys.readouterr().err


def test_a_trace_names_places_and_the_type() -> None:
    try:
        json.loads("{what the user typed")
    except ValueError as error:
        trace = trace_of(error)
    assert trace[-1] == "JSONDecodeError"
    assert "test_service_logs.py" in trace[0]
    assert "typed" not in " ".join(trace)
