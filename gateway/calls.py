"""The API's methods over HTTP: a request in JSON, its answer in JSON or, if the method streams, in JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import grpc
import orjson
from cachetools import LRUCache, cached
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.access import refuse_other_sites
from gateway.config import GatewaySettings
from gateway.contract import Binding, bindings, full_path, is_for_operators
from gateway.errors import status_document, status_from
from gateway.messages import malformed, read_request, to_json
from gateway.upstream import Upstream, metadata_of
from lm.errors import RequestError

Endpoint = Callable[[Request], Awaitable[Response]]
_BODY_TIMEOUT_S = 10.0
_ENCODED_BYTES = 16 * 2**20
_NO_STORE = {"cache-control": "no-store"}


class _Encoded(NamedTuple):
    json: bytes
    lasts: bool


class Calls:
    """The HTTP side of all methods."""

    def __init__(self, settings: GatewaySettings, upstream: Upstream) -> None:
        self._settings = settings
        self._upstream = upstream

    def routes(self, methods: list[MethodDescriptor]) -> list[Route]:
        """A route for each path of these methods, which takes all verbs of the path."""
        paths: dict[str, dict[str, Endpoint]] = {}
        names: dict[str, str] = {}
        for method in methods:
            for binding in bindings(method):
                path = binding.spelt("{{{}}}")
                names[path] = method.name
                paths.setdefault(path, {})[binding.verb] = self._endpoint(method, binding)
        return [
            Route(path, _by_verb(endpoints), methods=list(endpoints), name=names[path])
            for path, endpoints in paths.items()
        ]

    def _endpoint(self, method: MethodDescriptor, binding: Binding) -> Endpoint:
        kind = GetMessageClass(method.input_type)
        answer = self._stream if method.server_streaming else self._answer

        async def endpoint(request: Request) -> Response:
            if is_for_operators(method):
                refuse_other_sites(request, self._settings)
            variables = {
                name: template.replace("*", request.path_params[name]) for name, template in binding.variables.items()
            }
            body = await _read_body(request, self._settings.max_body_kb * 1024)
            message = read_request(kind, binding, body, request.query_params.multi_items(), variables)
            return await answer(request, method, message)

        return endpoint

    async def _answer(self, request: Request, method: MethodDescriptor, message: Any) -> Response:
        answer = await self._upstream.unary(
            full_path(method),
            message.SerializeToString(),
            metadata=metadata_of(request),
            timeout_s=self._settings.timeout_s,
        )
        personal, kind = _is_personal(message), GetMessageClass(method.output_type)
        encoded = _encode(kind, answer) if personal else _encoded(kind, answer)
        headers = caching(request, encoded.lasts and not personal, self._settings.cache_s)
        return Response(encoded.json, headers=headers, media_type="application/json")

    async def _stream(self, request: Request, method: MethodDescriptor, message: Any) -> Response:
        call = self._upstream.answers(
            full_path(method),
            message.SerializeToString(),
            metadata=metadata_of(request),
            timeout_s=self._settings.generate_timeout_s,
        )
        first = await call.read()  # a call that is refused is no stream yet, but an error
        lines = _lines(GetMessageClass(method.output_type), first, call)
        return StreamingResponse(lines, headers=_NO_STORE, media_type="application/x-ndjson")


def lasts(message: Any) -> bool:
    """Whether an answer stays the best one for a while: a completion by the whole ensemble, without timings."""
    return hasattr(message, "normalized_query") and not message.degraded and not message.timings


def caching(request: Request, lasts: bool, max_age_s: int) -> dict[str, str]:
    """Headers of an answer. A browser may keep one that lasts if it got it by GET."""
    if lasts and request.method in ("GET", "HEAD") and max_age_s > 0:
        return {"cache-control": f"private, max-age={max_age_s}"}
    return _NO_STORE


# as long as the server answers from its cache, the same answers come again and again
@cached(LRUCache(_ENCODED_BYTES, getsizeof=lambda encoded: 2 * len(encoded.json)))
def _encoded(kind: type[Message], answer: bytes) -> _Encoded:
    return _encode(kind, answer)


def _encode(kind: type[Message], answer: bytes) -> _Encoded:
    message = kind.FromString(answer)
    return _Encoded(to_json(message), lasts(message))


def _is_personal(message: Any) -> bool:
    """Whether the answer is for one user alone, so that nothing on its way may keep it."""
    return any(getattr(message, name, None) for name in ("user_pseudo_id", "context_queries"))


def _by_verb(endpoints: dict[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


async def _read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        RequestError: the body is larger than `limit` bytes, is not called JSON, or takes too long to arrive.
    """
    if request.method in ("GET", "HEAD"):
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise RequestError(
                        "body", f"is above {limit // 1024} KB.", fault="TEXT_TOO_LONG", remedy="Send less text."
                    )
    except TimeoutError:
        problem = f"did not arrive within {_BODY_TIMEOUT_S:.0f} seconds."
        raise malformed("body", problem, "Send it at once.") from None
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        # a page of another site can send other types without asking first (CORS), but never this one
        raise malformed("body", "is not called JSON.", "Send the header Content-Type: application/json.")
    return bytes(body)


async def _lines(kind: type[Message], answer: Any, call: Any) -> AsyncIterator[bytes]:
    """A JSON object a line. After a failure on the way the last line is `{"error": Status}`."""
    try:
        while answer is not grpc.aio.EOF:
            yield to_json(kind.FromString(answer)) + b"\n"
            answer = await call.read()
    except Exception as error:
        yield orjson.dumps({"error": status_document(status_from(error))}) + b"\n"
    finally:
        call.cancel()
