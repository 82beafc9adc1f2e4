"""Asks a server, or a bundle opened here, for suggestions: both answer with the same messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb

from autocomplete_client import CallError, Client, DeadlineError
from lm.errors import AutocompleteError, ConfigError, UnavailableError

_TIMEOUT_S = 10.0
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
    fields: Any = {"model": request.model, "max_suggestions": request.max_suggestions, "explain": request.explain}
    with reaching(address), Client(address) as client:
        if isinstance(request, pb.PredictNextWordRequest):
            return client.predict_next_word(request.text, timeout_s=_TIMEOUT_S, **fields)
        return client.complete_query(request.query, timeout_s=_TIMEOUT_S, **fields)


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turns the client's errors into those that a user of the command line can mend.

    Raises:
        AutocompleteError: as `ask_server`.
    """
    try:
        yield
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except CallError as error:
        raise explain(error, address) from None


def explain(error: CallError, address: str) -> AutocompleteError:
    """A failed call as an error of the command line."""
    if error.from_service:
        return AutocompleteError(error.message)
    if isinstance(error, DeadlineError):
        return UnavailableError(f"The server at {address} did not answer in time.", remedy="Its log may say why.")
    if error.code is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(
            f"No server answers at {address} ({error.message}).",
            remedy="Start it with `autocomplete serve`, or name another address.",
        )
    return AutocompleteError(f"The server at {address} refused: {error}")


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
        words = model.predict_next_word(wanted.text, wanted.options)
        return words_response(words, wanted.text, model, explain=request.explain)
    question = read_query(request, request.query)
    model = open_model(folder)
    completion = model.complete_query(question.query, question.options._replace(explain=False))
    return completion_response(completion, model, explain=request.explain)
