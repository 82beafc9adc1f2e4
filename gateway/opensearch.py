"""Suggestions for the address bar of a browser, as OpenSearch describes them.

`/opensearch.xml` is what a browser reads when a user adds the search engine (OpenSearch 1.1, draft 6), `/suggest` what
it then asks while the user types (OpenSearch Suggestions 1.1): `["typed", ["completion", ...], [], []]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import orjson
from autocomplete.v1 import autocomplete_service_pb2 as pb
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.calls import completion_caching
from gateway.config import GatewaySettings
from gateway.observe import name_method
from gateway.upstream import Upstream, metadata_of
from lm.errors import RequestError

_METHOD = "/autocomplete.v1.AutocompleteService/CompleteQuery"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")
_DESCRIPTION = """\
<?xml version="1.0" encoding="UTF-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
  <ShortName>Autocomplete</ShortName>
  <Description>Completes queries as you type.</Description>
  <InputEncoding>UTF-8</InputEncoding>
  <Image width="16" height="16" type="image/svg+xml">{url}/page/icon.svg</Image>
  <Url type="text/html" template="{url}/?q={{searchTerms}}"/>
  <Url type="application/x-suggestions+json" template="{url}/suggest?q={{searchTerms}}"/>
</OpenSearchDescription>
"""


class OpenSearch:
    """Both paths."""

    def __init__(self, settings: GatewaySettings, upstream: Callable[[], Upstream]) -> None:
        self._settings = settings
        self._upstream = upstream

    def routes(self) -> list[Route]:
        """Their routes."""
        return [Route("/suggest", self._suggest), Route("/opensearch.xml", self._describe)]

    async def _suggest(self, request: Request) -> Response:
        name_method(request.scope, "Suggest")
        query = request.query_params.get("q")
        if query is None:
            raise RequestError("q", "is missing.", fault="MALFORMED", remedy="Ask for /suggest?q=what+was+typed.")
        try:
            payload = pb.CompleteQueryRequest(query=query).SerializeToString()
        except UnicodeEncodeError:  # half of a surrogate pair
            raise RequestError("q", "is not UTF-8.", fault="MALFORMED", remedy="Percent-encode UTF-8.") from None
        metadata = metadata_of(request.scope["headers"])
        answer: Any = pb.CompleteQueryResponse.FromString(
            await self._upstream().unary(_METHOD, payload, metadata=metadata, timeout_s=self._settings.timeout_s)
        )
        return Response(
            orjson.dumps([query, [suggestion.text for suggestion in answer.suggestions], [], []]),
            headers=completion_caching(answer, self._settings.cache_s),
            media_type="application/x-suggestions+json",
        )

    async def _describe(self, request: Request) -> Response:
        name_method(request.scope, "page")
        url = self._settings.public_url or _asked_url(request)
        return Response(
            _DESCRIPTION.format(url=escape(url)),
            headers={"cache-control": "private, max-age=300"},
            media_type="application/opensearchdescription+xml",
        )


def _asked_url(request: Request) -> str:
    """Scheme and host as the browser asked for them.

    Raises:
        RequestError: the header Host is none.
    """
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise RequestError("host", "is no host.", fault="MALFORMED", remedy="Send the header Host.")
    return f"{request.url.scheme}://{host}"
