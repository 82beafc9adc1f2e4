"""Suggestions for the address bar of a browser, as OpenSearch describes them.

A browser reads `/opensearch.xml` when a user adds the search engine (OpenSearch 1.1, draft 6). While the user types, it
then asks `/suggest` (OpenSearch Suggestions 1.1): `["typed", ["completion", ...], [], []]`. Besides what was typed,
`q`, a template of one's own may name some options of `CompleteQuery`.
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
from gateway.messages import malformed, read_message
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


_GENERATED = {
    "off": pb.GENERATED_QUERIES_OFF,
    "fill": pb.GENERATED_QUERIES_FILL,
    "mix": pb.GENERATED_QUERIES_MIX,
}
_OPTIONS = ("model", "max_suggestions", "generated", "min_acceptance_probability")


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
        message = _read(request.query_params.multi_items())
        answer: Any = pb.CompleteQueryResponse.FromString(
            await self._upstream.unary(
                _METHOD, message.SerializeToString(), metadata=metadata_of(request), timeout_s=self._settings.timeout_s
            )
        )
        return Response(
            orjson.dumps([message.query, [suggestion.text for suggestion in answer.suggestions], [], []]),
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


def _read(parameters: list[tuple[str, str]]) -> pb.CompleteQueryRequest:
    """The request of these parameters; the options are written as the API has them or, shorter, as people say them.

    Raises:
        RequestError: `q` is missing, or a parameter is unknown, there twice or wrong.
    """
    document: dict[str, Any] = {}
    for name, value in parameters:
        field = "query" if name == "q" else _snake_case(name)
        if field not in ("query", *_OPTIONS) or name == "query":
            raise malformed(name, "no such parameter.", f"There are q, {', '.join(_OPTIONS)}.")
        if field in document:
            raise malformed(name, "is there twice.", "It takes one value.")
        if field == "generated" and value not in _GENERATED:
            raise malformed(name, f"cannot be {value!r}.", "Choose off, fill or mix.")
        document[field] = value
    if "query" not in document:
        raise malformed("q", "is missing.", "Ask for /suggest?q=what+was+typed.")
    if "generated" in document:
        document["generated"] = _GENERATED[document["generated"]]
    if document.get("model"):
        document["model"] = f"models/{document['model'].removeprefix('models/')}"
    return read_message(pb.CompleteQueryRequest, document)


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
