"""Puts the gateway's parts together: the only place that knows all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from gateway.calls import Calls
from gateway.config import GatewaySettings
from gateway.contract import methods
from gateway.errors import error_response, no_such_path, status_from
from gateway.metrics import Metrics
from gateway.observe import Observer, name_method
from gateway.openapi import openapi_document
from gateway.opensearch import OpenSearch
from gateway.page_files import page_routes
from gateway.sockets import SOCKET_PATH, Sockets
from gateway.upstream import Upstream
from lm.errors import AutocompleteError

_HEALTH_TIMEOUT_S = 1.0


class Gateway:
    """The application, for an ASGI server to run."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._upstream: Upstream | None = None
        self.metrics = Metrics()
        offered = methods(admin=settings.admin)
        self._openapi = orjson.dumps(openapi_document(offered))
        self._sockets = Sockets(settings, self._server, self.metrics)
        routes = [
            *Calls(settings, self._server).routes(offered),
            *OpenSearch(settings, self._server).routes(),
            WebSocketRoute(SOCKET_PATH, self._sockets.serve),
            *page_routes(),
            Route("/openapi.json", self._describe),
            Route("/healthz", self._alive),
            Route("/readyz", self._ready),
            Route("/metrics", self._expose),
        ]
        self.app = Observer(
            Starlette(
                routes=routes,
                middleware=_cors(settings),
                exception_handlers={
                    HTTPException: _http_error,
                    AutocompleteError: _error,
                    grpc.RpcError: _error,
                    Exception: _error,
                },
                lifespan=self._lifespan,
            ),
            metrics=self.metrics,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._upstream = Upstream(self._settings.server, self._settings.channels)
        try:
            yield
        finally:
            await self._upstream.close()

    def _server(self) -> Upstream:
        assert self._upstream is not None, "asked before the start"
        return self._upstream

    async def _describe(self, request: Request) -> Response:
        name_method(request.scope, "page")
        return Response(self._openapi, headers={"cache-control": "no-cache"}, media_type="application/json")

    async def _alive(self, request: Request) -> Response:
        name_method(request.scope, "probe")
        return PlainTextResponse("alive\n", headers={"cache-control": "no-store"})

    async def _ready(self, request: Request) -> Response:
        name_method(request.scope, "probe")
        ready = await self._server().serving(_HEALTH_TIMEOUT_S)
        text, status = ("ready\n", 200) if ready else ("the completion server does not answer\n", 503)
        return PlainTextResponse(text, status_code=status, headers={"cache-control": "no-store"})

    async def _expose(self, request: Request) -> Response:
        name_method(request.scope, "probe")
        return Response(generate_latest(self.metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})


def _cors(settings: GatewaySettings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["content-type", "traceparent", "tracestate"],
            expose_headers=["retry-after"],
            max_age=3600,
        )
    ]


async def _error(_request: Request, error: Exception) -> Any:
    return error_response(status_from(error))


async def _http_error(request: Request, error: Exception) -> Any:
    assert isinstance(error, HTTPException)
    problem = f"{request.method} of this path: {error.detail.lower()}. See /openapi.json."
    return no_such_path(error.status_code, problem, dict(error.headers or {}))
