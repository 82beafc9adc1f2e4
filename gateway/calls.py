"""The methods of the contract over HTTP: a request in JSON, its answer in JSON or, where it streams, in JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.config import GatewaySettings
from gateway.contract import Binding, Method
from gateway.errors import status_from
from gateway.messages import message_encoder, status_document, to_json
from gateway.observe import name_method
from gateway.requests import read_request
from gateway.upstream import Upstream, metadata_of
from lm.errors import RequestError

Endpoint = Callable[[Request], Awaitable[Response]]

_BODY_TIMEOUT_S = 10.0
_NO_STORE = {"cache-control": "no-store"}


class Calls:
    """The HTTP side of all methods.

    Args:
        upstream: the server, once there is an event loop.
    """

    def __init__(self, settings: GatewaySettings, upstream: Callable[[], Upstream]) -> None:
        self._settings = settings
        self._upstream = upstream

    def routes(self, methods: list[Method]) -> list[Route]:
        """A route for each path, with all verbs that call a method there."""
        paths: dict[str, dict[str, Endpoint]] = {}
        for method in methods:
            for binding in method.bindings:
                paths.setdefault(binding.spelt("{{{}}}"), {})[binding.verb] = self._endpoint(method, binding)
        return [Route(path, _by_verb(endpoints), methods=list(endpoints)) for path, endpoints in paths.items()]

    def _endpoint(self, method: Method, binding: Binding) -> Endpoint:
        answer = self._stream if method.streams_answers else self._answer

        async def endpoint(request: Request) -> Response:
            name_method(request.scope, method.name)
            variables = {
                name: template.replace("*", request.path_params[name]) for name, template in binding.variables.items()
            }
            body = await read_body(request, self._settings.max_body_kb * 1024)
            message = read_request(method.request, binding, body, request.query_params.multi_items(), variables)
            return await answer(request, method, message.SerializeToString(), cacheable=binding.verb == "GET")

        return endpoint

    async def _answer(self, request: Request, method: Method, payload: bytes, *, cacheable: bool) -> Response:
        answer = await self._upstream().unary(
            method.full_path,
            payload,
            metadata=metadata_of(request.scope["headers"]),
            timeout_s=self._settings.timeout_s,
        )
        message = GetMessageClass(method.response).FromString(answer)
        headers = completion_caching(message, self._settings.cache_s) if cacheable else _NO_STORE
        return Response(to_json(message), headers=headers, media_type="application/json")

    async def _stream(self, request: Request, method: Method, payload: bytes, *, cacheable: bool) -> Response:  # noqa: ARG002
        answers = self._upstream().answers(
            method.full_path,
            payload,
            metadata=metadata_of(request.scope["headers"]),
            timeout_s=self._settings.generate_timeout_s,
        )
        iterator = aiter(answers)
        first = await anext(iterator, None)  # a call that is refused is no stream yet, but an error
        lines = _lines(method, first, iterator, answers)
        return StreamingResponse(lines, headers=_NO_STORE, media_type="application/x-ndjson")


def _by_verb(endpoints: dict[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        RequestError: it is larger than `limit` bytes, is not called JSON, or takes too long to come.
    """
    if request.method in ("GET", "HEAD"):
        return b""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise RequestError(
                        "body", f"above {limit // 1024} KB.", fault="TEXT_TOO_LONG", remedy="Send less text."
                    )
    except TimeoutError:
        raise RequestError("body", "did not come in time.", fault="MALFORMED", remedy="Send it at once.") from None
    if size and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        # what a page of another site may send without asking (CORS) is never of this type
        raise RequestError(
            "body", "not called JSON.", fault="MALFORMED", remedy="Send the header Content-Type: application/json."
        )
    return b"".join(chunks)


def completion_caching(message: Any, max_age_s: int) -> dict[str, str]:
    """Headers of an answer to a GET: browsers may keep a completion for a moment, unless a better one is to be had."""
    completes = hasattr(message, "normalized_query")
    if not completes or message.degraded or message.timings or max_age_s == 0:
        return _NO_STORE
    return {"cache-control": f"private, max-age={max_age_s}"}


async def _lines(method: Method, first: bytes | None, rest: Any, call: Any) -> AsyncIterator[bytes]:
    """A JSON object a line; a failure on the way is a last one, `{"error": Status}`."""
    kind, encode = GetMessageClass(method.response), message_encoder(method.response)
    try:
        payload = first
        while payload is not None:
            yield orjson.dumps(encode(kind.FromString(payload)), option=orjson.OPT_APPEND_NEWLINE)
            payload = await anext(rest, None)
    except Exception as error:
        status: status_pb2.Status = status_from(error)
        yield orjson.dumps({"error": status_document(status)}, option=orjson.OPT_APPEND_NEWLINE)
    finally:
        call.cancel()
