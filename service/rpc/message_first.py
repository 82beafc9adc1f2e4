"""Calls with one message get a thread once it is there, and none if the answer is at hand.

gRPC's threaded server gives a call to the pool as soon as its headers arrive, and the thread waits for the message as
long as the caller likes: as many such calls as there are threads would end all service. This file and `event_call.py`
alone take what lies below, in `grpc._server`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from grpc import _server
from grpc._cython import cygrpc

_RECEIVING = _server._RECEIVE_MESSAGE_TOKEN
_NO_FLAGS = 0


class MessageFirst(ThreadPoolExecutor):
    """Has a call's message read, then hands the call on to a pool; of this class, for gRPC takes no other executor.

    Args:
        at_hand: the serialised answer to a message if there is one that need not be waited for. It is asked and sent on
            gRPC's own thread, which takes less time than to wake another.
    """

    def __init__(self, pool: ThreadPoolExecutor, at_hand: Callable[[Any], bytes | None] | None = None) -> None:
        super().__init__(max_workers=1)  # never started
        self._pool = pool
        self._at_hand = at_hand

    def submit(self, run: Any, /, *call: Any, **_: Any) -> Future[Any]:
        """Takes what gRPC submits for a call with one message; must not block."""
        respond, event, state, behavior, _read, deserialize, serialize = call
        done: Future[Any] = Future()
        take_in = _server._receive_message(state, event.call, deserialize)

        def received(completed: Any) -> Any:
            finished = take_in(completed)
            if _has_message(event, state) and not self._answered(event, state):
                try:
                    rest = (event, state, behavior, lambda: _message(state), deserialize, serialize)
                    self._pool.submit(run, respond, *rest)
                except RuntimeError:  # the pool was shut down; it must not reach gRPC's thread, which would end
                    event.call.cancel(cygrpc.StatusCode.unavailable, "The server stops.")
            done.set_result(None)
            return finished

        with state.condition:
            if _server._is_rpc_state_active(state):
                event.call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), received)
                state.due.add(_RECEIVING)
            else:
                done.set_result(None)
        return done

    def _answered(self, event: Any, state: Any) -> bool:
        """Answers a call if that takes no time; one that is too late or at fault is left to the pool to refuse."""
        if self._at_hand is None or event.call_details.deadline <= time.time():
            return False
        try:
            answer = self._at_hand(state.request)
            if answer is None:
                return False
            _server._status(event, state, answer)
        except Exception:  # must not reach gRPC's thread, which would end; in the pool it comes again, and is told
            return False
        state.request = None
        return True


def _has_message(event: Any, state: Any) -> bool:
    """Whether there is something to work on; a call that ends without a message gets the status that gRPC gives it."""
    with state.condition:
        if state.request is None and state.client is _server._CLOSED:
            details = f'"{event.call_details.method}" requires exactly one request message.'
            _server._abort(state, event.call, cygrpc.StatusCode.unimplemented, details.encode())
        return state.request is not None


def _message(state: Any) -> Any:
    """The message; None if the call ended while it waited for a thread."""
    with state.condition:
        message, state.request = state.request, None
        return message if _server._is_rpc_state_active(state) else None
