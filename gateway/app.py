"""Puts the gateway's parts together. No other file knows all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from gateway.access import access_middleware
from gateway.calls import Calls
from gateway.config import GatewaySettings
from gateway.contract import is_for_operators, methods
from gateway.errors import answer_error, answer_http_error
from gateway.metrics import Metrics, Observer
from gateway.opensearch import OpenSearch
from gateway.sockets import SOCKET_PATH, Sockets
from gateway.upstream import Upstream
from lm.errors import AutocompleteError

_HEALTH_TIMEOUT_S = 1.0
_FOLDER = Path(__file__).parent
_NO_STORE = {"cache-control": "no-store"}


class Gateway:
    """The application, for an ASGI server to run."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._upstream = Upstream(settings.server, settings.channels)
        self.metrics = Metrics()
        routes = self._routes()
        if settings.base_path:  # a proxy may strip the base path, or leave it in
            routes.append(Mount(settings.base_path, routes=routes.copy()))
        probes = [
            Route("/healthz", self._alive, name="probe"),
            Route("/readyz", self._ready, name="probe"),
            Route("/metrics", self._expose, name="probe"),
        ]
        starlette = Starlette(
            routes=[*routes, *probes],
            middleware=access_middleware(settings, open_paths={route.path for route in probes}),
            exception_handlers={
                HTTPException: answer_http_error,
                AutocompleteError: answer_error,
                grpc.RpcError: answer_error,
                Exception: answer_error,
            },
            lifespan=self._lifespan,
        )
        self.app = Observer(starlette, metrics=self.metrics)

    def _routes(self) -> list[BaseRoute]:
        """The API and the page."""
        files = _Files(directory=_FOLDER / "page")
        served = [method for method in methods() if self._settings.admin or not is_for_operators(method)]
        return [
            *(self._operators_page() if self._settings.admin else ()),
            *Calls(self._settings, self._upstream).routes(served),
            WebSocketRoute(SOCKET_PATH, Sockets(self._settings, self._upstream, self.metrics).serve),
            *OpenSearch(self._settings, self._upstream).routes(),
            Mount("/page", files, name="page", middleware=[Middleware(GZipMiddleware)]),
            Route("/", files.endpoint("index.html"), name="page"),
            Route("/openapi.json", _Files(directory=_FOLDER).endpoint("openapi.json"), name="page"),
        ]

    def _operators_page(self) -> list[BaseRoute]:
        """The operators' page and its files; only with `--admin`."""
        files = _Files(directory=_FOLDER / "admin")
        return [
            Route("/admin", files.endpoint("index.html"), name="page"),
            Route("/admin/", _without_slash, name="page"),
            Mount("/admin", files, name="page", middleware=[Middleware(GZipMiddleware)]),
        ]

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._upstream.close()

    async def _alive(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n", headers=_NO_STORE)

    async def _ready(self, _request: Request) -> Response:
        ready = await self._upstream.serving(_HEALTH_TIMEOUT_S)
        text, status = ("ready\n", 200) if ready else ("the completion server does not answer\n", 503)
        return PlainTextResponse(text, status_code=status, headers=_NO_STORE)

    async def _expose(self, _request: Request) -> Response:
        return Response(generate_latest(self.metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST})


async def _without_slash(_request: Request) -> Response:
    return RedirectResponse("../admin")  # relative, as all addresses of the page are


class _Files(StaticFiles):
    """Files of a folder. A browser keeps them, but asks each time whether they have changed."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """See `StaticFiles`."""
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = "no-cache"
        return response

    def endpoint(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that answers with one of the files."""

        async def endpoint(request: Request) -> Response:
            return await self.get_response(name, request.scope)

        return endpoint
