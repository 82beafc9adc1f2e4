"""Structured logs on standard error: a JSON object a line, or coloured lines for people.

Queries and texts of users are never logged, so an unexpected error is logged by its type and its frames,
without its message, which may quote what was typed.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

_PROGRAMS = ("service", "gateway")
"""`level` holds for loggers with names that begin so."""


def configure_logs(level: str, log_format: str) -> None:
    """Sets up the program's logs, and those of libraries from warnings on.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        log_format: `json` or `console`.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        _with_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _without_message],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for program in _PROGRAMS:
        logging.getLogger(program).setLevel(number)


def trace_of(error: BaseException) -> list[str]:
    """Where an error came from: `file:line function` of each frame, innermost last, then the error's type."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames] + [type(error).__qualname__]


def _with_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Says to which trace a line belongs, where calls are traced."""
    trace = sys.modules.get("opentelemetry.trace")  # loaded by `service.telemetry.tracing` alone
    if trace is not None and (context := trace.get_current_span().get_span_context()).is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def _without_message(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Reduces the traces of libraries' log records to frames and types."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        event["trace"] = trace_of(info[1])
        event["event"] = "a library reported an unexpected error"
    return event
