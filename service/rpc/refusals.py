"""The cheapest way to refuse a call: on gRPC's own thread, its message unread, the status made once for all alike."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import grpc

from lm.errors import OverloadedError
from service.rpc.pools import InlinePool
from service.rpc.status import status_of, to_grpc

_INLINE = InlinePool(max_workers=1)  # never starts a thread


@lru_cache(maxsize=2048)
def refusing_handler(retry_after_s: float) -> Any:
    """A handler that ends a call for which there is no room.

    As one of a stream of requests it is called without the first of them: to wait for it here would be to wait for
    this very thread.
    """
    error = OverloadedError("Too many calls are waiting.", retry_after_s=retry_after_s)
    return grpc.stream_unary_rpc_method_handler(_Refusal(to_grpc(status_of(error))))


class _Refusal:
    """A handler's behaviour."""

    experimental_thread_pool = _INLINE

    def __init__(self, status: Any) -> None:
        self._status = status

    def __call__(self, _requests: Any, context: Any) -> None:
        context.abort_with_status(self._status)
