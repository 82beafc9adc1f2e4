"""Suggestions for the address bar of a browser, as OpenSearch describes them.

A browser reads `/opensearch.xml` when a user adds the search engine (OpenSearch 1.1, draft 6). While the user types, it
then asks `/suggest` (OpenSearch Suggestions 1.1): `["typed", ["completion", ...], [], []]`.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import orjson
from autocomplete.v1 import autocomplete_service_pb2 as pb
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.calls import caching, lasts
from gateway.config import GatewaySettings
from gateway.messages import malformed
from gateway.upstream import Upstream, metadata_of

_METHOD = "/autocomplete.v1.AutocompleteService/CompleteQuery"
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

    def __init__(self, settings: GatewaySettings, upstream: Upstream) -> None:
        self._settings = settings
        self._upstream = upstream

    def routes(self) -> list[Route]:
        """Their routes."""
        return [
            Route("/suggest", self._suggest, name="Suggest"),
            Route("/opensearch.xml", self._describe, name="page"),
        ]

    async def _suggest(self, request: Request) -> Response:
        query = request.query_params.get("q")
        if query is None:
            raise malformed("q", "is missing.", "Ask for /suggest?q=what+was+typed.")
        try:
            payload = pb.CompleteQueryRequest(query=query).SerializeToString()
        except UnicodeEncodeError:  # half of a surrogate pair
            raise malformed("q", "is not UTF-8.", "Percent-encode UTF-8.") from None
        answer: Any = pb.CompleteQueryResponse.FromString(
            await self._upstream.unary(
                _METHOD, payload, metadata=metadata_of(request), timeout_s=self._settings.timeout_s
            )
        )
        return Response(
            orjson.dumps([query, [suggestion.text for suggestion in answer.suggestions], [], []]),
            headers=caching(request, lasts(answer), self._settings.cache_s),
            media_type="application/x-suggestions+json",
        )

    async def _describe(self, request: Request) -> Response:
        url = self._settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
        return Response(
            _DESCRIPTION.format(url=escape(url)),
            headers={"cache-control": "private, max-age=300"},
            media_type="application/opensearchdescription+xml",
        )
