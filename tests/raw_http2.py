"""A gRPC caller that misbehaves: HTTP/2 by hand (RFC 9113), for what no client library does."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_DATA, _HEADERS, _RST_STREAM, _SETTINGS = 0, 1, 3, 4
_END_STREAM, _END_HEADERS = 1, 4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_INITIAL_WINDOW_SIZE = 4


class RawCaller:
    """One connection; `window` is how many bytes of each answer it takes."""

    def __init__(self, port: int, *, window: int = 65_535) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._next_stream = 1
        self._send(_PREFACE)
        self.widen(window)

    def call(self, method: str, message: bytes | None, *, ends: bool = True, **headers: str) -> int:
        """Sends a call of a method, by default of `AutocompleteService`; returns its stream's number.

        Args:
            message: None sends nothing but headers.
            ends: whether this is all, by what is sent.
        """
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method if "/" in method else f"/autocomplete.v1.AutocompleteService/{method}",
            ":authority": "test",
            "te": "trailers",
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
        end = _END_STREAM * ends
        if message is None:
            self._send(_frame(_HEADERS, _END_HEADERS | end, stream, block))
        else:
            body = struct.pack(">BI", 0, len(message)) + message
            self._send(_frame(_HEADERS, _END_HEADERS, stream, block) + _frame(_DATA, end, stream, body))
        return stream

    def send(self, stream: int, message: bytes, *, ends: bool = True) -> None:
        """Sends one more message of a call.

        Args:
            ends: whether this is the last one.
        """
        self._send(_frame(_DATA, _END_STREAM * ends, stream, struct.pack(">BI", 0, len(message)) + message))

    def widen(self, window: int = 65_535) -> None:
        """Takes so many bytes of each answer from now on."""
        self._send(_frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, window)))

    def read_until_ended(self, streams: set[int], *, but: int = 0) -> set[int]:
        """Reads until the server has ended all of these calls but so many; returns those that it ended.

        Raises:
            AssertionError: it closed the connection instead.
        """
        left = set(streams)
        while len(left) > but:
            head = self._receive(9)
            assert head, f"not ended: {left}"
            self._receive(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
            if kind == _RST_STREAM or (kind == _HEADERS and flags & _END_STREAM):
                left.discard(stream)
        return streams - left

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            try:
                more = self.socket.recv(length - len(data))
            except ConnectionResetError:
                return b""
            if not more:
                return b""
            data += more
        return data


@contextmanager
def raw_caller(port: int, *, window: int = 65_535) -> Iterator[RawCaller]:
    """A caller whose connection is closed at the end."""
    caller = RawCaller(port, window=window)
    try:
        yield caller
    finally:
        caller.socket.close()


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + content


def _text(text: str) -> bytes:
    """A literal of HPACK (RFC 7541, section 5.2), shorter than 127 bytes."""
    encoded = text.encode()
    assert len(encoded) < 127
    return bytes([len(encoded)]) + encoded
