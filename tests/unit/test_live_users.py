from __future__ import annotations

import hashlib
import hmac

from lm.errors import StoreUnavailableError
from service.live.users.keys import UserKeys


class Store:
    """Has its secret once it is up."""

    def __init__(self) -> None:
        self.asked = 0
        self.up = True

    def secret(self) -> str:
        self.asked += 1
        if not self.up:
            raise StoreUnavailableError("down")
        return "s"


def test_a_key_is_the_beginning_of_an_hmac() -> None:
    expected = hmac.new(b"s", "Ünal".encode(), hashlib.sha256).hexdigest()[:16]
    assert UserKeys("s").of("Ünal") == expected == UserKeys(None, Store()).of("Ünal")
    assert UserKeys("t").of("Ünal") != expected
    assert UserKeys("s").of("ünal") != expected


def test_without_secret_or_store_keys_mean_nothing_elsewhere() -> None:
    one, other = UserKeys(None), UserKeys(None)
    assert one.of("a") == one.of("a") != other.of("a")


def test_the_store_is_asked_once_and_again_if_it_was_down() -> None:
    store = Store()
    keys = UserKeys(None, store)
    store.up = False
    for _ in range(2):
        try:
            keys.of("a")
        except StoreUnavailableError:
            assert not keys.is_ready
    store.up = True
    assert keys.of("a") == keys.of("a")
    assert keys.is_ready
    assert store.asked == 3


def test_any_id_has_a_key() -> None:
    assert len({UserKeys("s").of(text) for text in ("", "\x00", "\ud800", "x" * 128, "東京")}) == 5
