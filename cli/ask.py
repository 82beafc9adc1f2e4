"""Asks a server, or a bundle opened here, for suggestions: both answer with the same messages."""

from __future__ import annotations

from pathlib import Path

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc

from lm.errors import AutocompleteError, ConfigError, UnavailableError

_TIMEOUT_S = 10.0
_DETAILS_KEY = "grpc-status-details-bin"  # only the service itself sets it
Request = pb.CompleteQueryRequest | pb.PredictNextWordRequest
Response = pb.CompleteQueryResponse | pb.PredictNextWordResponse


def build_request(text: str, *, words: bool, model: str, limit: int, explain: bool) -> Request:
    """The request for next words, or for whole queries.

    Args:
        model: its name, with or without `models/`; empty for the default one.
    """
    resource = f"models/{model.removeprefix('models/')}" if model else ""
    if words:
        return pb.PredictNextWordRequest(text=text, model=resource, max_suggestions=limit, explain=explain)
    return pb.CompleteQueryRequest(query=text, model=resource, max_suggestions=limit, explain=explain)


def ask_server(request: Request, address: str) -> Response:
    """What the server at HOST:PORT answers.

    Raises:
        ConfigError: that is no address.
        UnavailableError: the server does not answer.
        AutocompleteError: it refuses the request.
    """
    from service.config import split_address

    try:
        split_address(address)
    except ValueError as error:
        raise ConfigError(f"--server {address}: {error}.") from None
    try:
        with grpc.insecure_channel(address) as channel:
            stub = pb_grpc.AutocompleteServiceStub(channel)
            if isinstance(request, pb.PredictNextWordRequest):
                words: Response = stub.PredictNextWord(request, timeout=_TIMEOUT_S)
                return words
            queries: Response = stub.CompleteQuery(request, timeout=_TIMEOUT_S)
            return queries
    except grpc.RpcError as error:
        raise _explain(error, address) from None


def ask_bundle(request: Request, folder: Path) -> Response:
    """What the bundle in this folder answers.

    Raises:
        BundleError: it cannot be opened.
        RequestError: a field of the request is wrong.
    """
    from service.rpc.convert import completion_response, words_response
    from service.rpc.requests import read_query, read_words
    from suggest.model import open_model

    if isinstance(request, pb.PredictNextWordRequest):
        wanted = read_words(request)
        model = open_model(folder)
        words = model.predict_next_word(wanted.text, max_suggestions=wanted.max_suggestions, explain=request.explain)
        return words_response(words, wanted.text, model, explain=request.explain)
    question = read_query(request, request.query)
    model = open_model(folder)
    completion = model.complete_query(question.query, max_suggestions=question.max_suggestions)
    return completion_response(completion, model, explain=request.explain)


def _explain(error: grpc.RpcError, address: str) -> AutocompleteError:
    if any(key == _DETAILS_KEY for key, _ in error.trailing_metadata() or ()):
        return AutocompleteError(str(error.details()))
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(
            f"The server at {address} did not answer within {_TIMEOUT_S:g} s.", remedy="Its log may say why."
        )
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(
            f"No server answers at {address} ({error.details()}).",
            remedy="Start it with `autocomplete serve`, or name another (--server) or a folder (--bundle).",
        )
    return AutocompleteError(f"The server at {address} refused: {error.code().name}: {error.details()}.")
