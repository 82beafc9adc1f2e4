"""Which hosts the gateway answers as, and which sites' pages may call it.

The owner of a page elsewhere can point its domain name at the gateway's address (DNS rebinding). The browser then takes
the gateway for a part of that site. The gateway notices it by the header `Host`, which holds the other name.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.config import GatewaySettings
from gateway.errors import error_response
from gateway.messages import malformed

_PASSED = "autocomplete.host"
_UNKNOWN_HOST = malformed(
    "host",
    "the gateway does not answer under this name.",
    "Add the name to --allowed-hosts (AUTOCOMPLETE_GATEWAY_ALLOWED_HOSTS), or set --public-url.",
)


def access_middleware(settings: GatewaySettings, *, open_paths: Collection[str]) -> list[Middleware]:
    """What each request goes through before it reaches its path.

    Args:
        open_paths: paths that answer under any host name, for whoever watches over the gateway: a probe or Prometheus
            asks by a pod's address. They hold nothing that was typed.
    """
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["content-type", "traceparent", "tracestate"],
        expose_headers=["retry-after"],
        max_age=3600,
    )
    known = Middleware(KnownHosts, hosts=settings.hosts, open_paths=open_paths)
    return [known, cors] if settings.allowed_origins else [known]


class KnownHosts:
    """Starlette's check of the header `Host`, but the refusal is a status that says what to set."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], open_paths: Collection[str]) -> None:
        self._app = app
        self._open_paths = open_paths
        self._check = TrustedHostMiddleware(self._pass, hosts, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return

        async def explained(message: MutableMapping[str, Any]) -> None:
            if _PASSED in scope:
                await send(message)
            elif message["type"].endswith(".start"):
                await error_response(_UNKNOWN_HOST)(scope, receive, send)

        await self._check(scope, receive, explained)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_PASSED] = True
        await self._app(scope, receive, send)


def may_open(socket: WebSocket, settings: GatewaySettings) -> bool:
    """Whether a WebSocket comes from the gateway's own page, a page of an allowed site, or from no page at all."""
    origin = socket.headers.get("origin")
    return "*" in settings.allowed_origins or origin in settings.allowed_origins or _is_own(socket, settings)


def refuse_other_sites(request: HTTPConnection, settings: GatewaySettings) -> None:
    """Refuses what a page of another site asks for, allowed or not: what only operators may do is none of its business.

    Raises:
        RequestError: it is such a request.
    """
    if not _is_own(request, settings):
        raise malformed("origin", "is another site's.", "Only the gateway's own pages and programs may do this.")


def _is_own(connection: HTTPConnection, settings: GatewaySettings) -> bool:
    """Whether something is asked for by the gateway's own page, or by no page at all."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc == connection.headers.get("host") or origin == settings.public_origin
