"""Users as the live state knows them: by a keyed hash, never by the id that callers send."""

from __future__ import annotations

import hmac
import secrets
from typing import Protocol

_HEX_DIGITS = 16


class SecretStore(Protocol):
    """What keeps the secret that all replicas share."""

    def secret(self) -> str:
        """The store's secret, which it draws at random when it is first asked."""


class UserKeys:
    """The keys of users: without the secret nobody can tell which user a key belongs to. Threads may share it.

    Args:
        secret: the operator's; None: the store's.
        store: None if there is none, so that keys mean nothing to another process.
    """

    def __init__(self, secret: str | None, store: SecretStore | None = None) -> None:
        self._store = store
        self._secret = secret.encode() if secret else None
        if self._secret is None and store is None:
            self._secret = secrets.token_bytes()

    @property
    def is_ready(self) -> bool:
        """Whether `of` answers without asking the store."""
        return self._secret is not None

    def of(self, user_pseudo_id: str) -> str:
        """The key of a user: 16 hexadecimal digits of HMAC-SHA256.

        Raises:
            StoreUnavailableError: the secret is the store's, which cannot be reached.
            UnsupportedError: the store would lose it.
        """
        secret = self._secret
        if secret is None:
            assert self._store is not None
            secret = self._secret = self._store.secret().encode()
        # `hmac.digest` lets go of the interpreter's lock, and waits for it, for each id
        return hmac.new(secret, user_pseudo_id.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:_HEX_DIGITS]
