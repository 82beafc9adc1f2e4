"""Client of the autocomplete service: calls with deadlines and retries, typing sessions, typed answers.

Answers are the API's own messages, whose fields `proto/autocomplete/v1` documents.
"""

from autocomplete_client._async.client import AsyncClient
from autocomplete_client._async.session import AsyncTypingSession
from autocomplete_client._sync.client import Client
from autocomplete_client._sync.session import TypingSession
from autocomplete_client.errors import (
    CallError,
    DeadlineError,
    FieldViolation,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    UnavailableError,
    UnsupportedError,
)
from autocomplete_client.keystrokes import Answer

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncTypingSession",
    "CallError",
    "Client",
    "DeadlineError",
    "FieldViolation",
    "InvalidRequestError",
    "ModelNotFoundError",
    "OverloadedError",
    "TypingSession",
    "UnavailableError",
    "UnsupportedError",
]
