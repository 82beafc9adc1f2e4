"""A call with messages both ways that holds no thread: gRPC's own thread tells of each message and each sending.

gRPC's threaded server lets a handler return while its call goes on (`experimental_non_blocking`), but its iterator of
requests and its sending each block a thread. This file and `message_first.py` alone take what lies below them, in
`grpc._server`: operations of the core, whose completion calls back. A grpcio that changes them fails the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import structlog
from grpc import _server
from grpc._cython import cygrpc

from service.telemetry.logs import trace_of

_NO_FLAGS = 0
_RECEIVING = "receive_message"
_SENDING = "send_message"
_log = structlog.get_logger("service.rpc")


class EventCall:
    """One call. Callbacks run on gRPC's thread, which serves all calls: they must be short.

    Args:
        requests: the iterator of requests that gRPC made for the handler; nobody else may use it.
        context: the handler's context.
        respond: the handler's `send_response_callback`.
    """

    def __init__(self, requests: Any, context: Any, respond: Callable[[Any], None]) -> None:
        self.context = context
        self._state = requests._state
        self._call = requests._call
        self._respond = respond

    @property
    def was_cancelled(self) -> bool:
        """Whether the caller cancelled it, vanished or let its deadline pass; known once it is over."""
        return bool(self._state.client is _server._CANCELLED)

    def receive(self, on_message: Callable[[bytes | None], None]) -> bool:
        """Has the next message handed to `on_message`, None if there is none; False if the call is over."""

        def received(event: Any) -> None:
            on_message(event.batch_operations[0].message())

        return self._begin(cygrpc.ReceiveMessageOperation(_NO_FLAGS), _RECEIVING, received)

    def send(self, message: bytes, on_sent: Callable[[bool], None]) -> bool:
        """Sends a message; `on_sent` learns whether it went out, as soon as flow control lets the next one follow.

        Only one may be under way. Returns False if the call is over.
        """

        def sent(event: Any) -> None:
            on_sent(event.success)

        return self._begin(cygrpc.SendMessageOperation(message, _NO_FLAGS), _SENDING, sent)

    def end(self, status: grpc.Status | None = None) -> None:
        """Ends the call, with OK if no status is given, unless it is over already; no message may be under way."""
        if status is not None:
            self.context.set_code(status.code)
            self.context.set_details(status.details)
            self.context.set_trailing_metadata(status.trailing_metadata)
        if self.context.is_active():
            self._respond(None)

    def cancel(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call at once, past what flow control holds back; such an end has no rich details."""
        self.context.set_code(code)
        self._call.cancel(code.value[0], details)

    def _begin(self, operation: Any, name: str, done: Callable[[Any], None]) -> bool:
        state = self._state

        def completed(event: Any) -> Any:
            with state.condition:
                finished = _server._possibly_finish_call(state, name)
            try:
                done(event)
            except Exception as error:  # must not reach gRPC's thread, which would end
                _log.error("stream_failed", trace=trace_of(error))
                self._call.cancel(cygrpc.StatusCode.internal, "Internal error.")
            return finished

        with state.condition:
            if not _server._is_rpc_state_active(state):
                return False
            if name == _SENDING and state.initial_metadata_allowed:
                state.initial_metadata_allowed = False
                operations: tuple[Any, ...] = (cygrpc.SendInitialMetadataOperation((), _NO_FLAGS), operation)
            else:
                operations = (operation,)
            self._call.start_server_batch(operations, completed)
            state.due.add(name)
            return True
