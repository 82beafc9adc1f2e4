"""The cheapest way to refuse a call: on gRPC's own thread, its message unread, the status made once for all alike."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import grpc

from lm.errors import OverloadedError
from service.rpc.pools import InlinePool
from service.rpc.status import status_of, to_grpc

_INLINE = InlinePool(max_workers=1)  # never starts a thread


def refusing_handler(error: OverloadedError) -> Any:
    """A handler that ends the call with this error's status.

    As one of a stream of requests it is called without the first of them: to wait for it here would be to wait for
    this very thread.
    """
    return grpc.stream_unary_rpc_method_handler(_Refusal(_status(str(error), error.retry_after_s)))


class _Refusal:
    """A handler's behaviour."""

    experimental_thread_pool = _INLINE

    def __init__(self, status: Any) -> None:
        self._status = status

    def __call__(self, _requests: Any, context: Any) -> None:
        context.abort_with_status(self._status)


@lru_cache(maxsize=1024)
def _status(problem: str, retry_after_s: float) -> Any:
    return to_grpc(status_of(OverloadedError(problem, retry_after_s=retry_after_s)))
