"""The files of the page, read once and compressed once; a browser asks again with the tag of what it has."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.observe import name_method

_FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _File:
    kind: str
    plain: bytes
    small: bytes
    tag: str


def page_routes() -> list[Route]:
    """Routes of the page's files: `/` and `/page/NAME`."""
    routes = [_route(f"/page/{path.name}", path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES]
    return [_route("/", _FOLDER / "index.html"), *routes]


def _route(where: str, path: Path) -> Route:
    content = path.read_bytes()
    tag = hashlib.blake2b(content, digest_size=12).hexdigest()
    file = _File(_TYPES[path.suffix], content, gzip.compress(content, mtime=0), f'"{tag}"')

    async def endpoint(request: Request) -> Response:
        name_method(request.scope, "page")
        return _respond(request, file)

    return Route(where, endpoint)


def _respond(request: Request, file: _File) -> Response:
    headers = {
        "cache-control": "no-cache",
        "content-security-policy": _POLICY,
        "etag": file.tag,
        "vary": "accept-encoding",
    }
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if file.tag in tags:
        return Response(status_code=304, headers=headers)
    content = file.plain
    # the page's files are a third of their size; answers of a few KB are not worth the time
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = file.small
        headers["content-encoding"] = "gzip"
    return Response(content, headers=headers, media_type=file.kind)
