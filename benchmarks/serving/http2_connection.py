"""As much of HTTP/2 (RFC 9113) as a client needs that calls gRPC's methods and reads their statuses, on one thread.

Headers are packed (RFC 7541) once: the first call of a connection has the server note them in its table, those after it
send six bytes. The server is told to keep no table for its own, so that each block of its headers stands for itself,
and is read once for all alike.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

import grpc

from benchmarks.serving.calls import SERVICE
from lm.errors import UnavailableError

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEAD = 9
_TABLE_SIZE, _INITIAL_WINDOW = 1, 4
_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
_NOTED = 62
"""Index of the header that was noted last."""
_RECEIVE = 1 << 18
_CONNECT_S = 30.0
_CODES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}

Ended = tuple[int, str, bytes]
"""A call, gRPC's name of its outcome, and its answer."""


class Connection:
    """A connection that calls one method.

    Args:
        timeout_s: of a call; the server is told, and the caller of this has to keep to it.

    Raises:
        UnavailableError: nobody there speaks HTTP/2.
    """

    def __init__(self, address: str, method: str, timeout_s: int) -> None:
        self._first_headers, self._headers = _pack_headers(address, method, timeout_s)
        self._stream = -1
        self._calls: dict[int, int] = {}
        self._bodies: dict[int, bytes] = {}
        self._received = b""
        self._unsent = bytearray()
        self._held_back: deque[tuple[int, bytes]] = deque()
        self._window = _FIRST_WINDOW
        self._agreed = False
        host, _, port = address.partition(":")
        self.socket = socket.socket()
        try:
            self.socket.settimeout(_CONNECT_S)
            self.socket.connect((host, int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._agree()
        except OSError as error:
            self.close()
            remedy = "See that a server without TLS listens there."
            raise UnavailableError(f"No HTTP/2 at {address}: {error}", remedy=remedy) from None

    @property
    def blocked(self) -> bool:
        """Whether the system takes no more for now; then `flush` once the socket is writable."""
        return bool(self._unsent)

    def call(self, number: int, message: bytes) -> None:
        """Sends a message as the call of this number; never waits."""
        self._stream += 2
        headers, self._first_headers = self._first_headers or self._headers, b""
        self._calls[self._stream] = number
        body = b"\0" + len(message).to_bytes(4) + message
        head = _frame(_HEADERS, _END_HEADERS, self._stream, headers)
        if self._held_back or len(body) > self._window:
            self._held_back.append((self._stream, body))
            self._send(head)
        else:
            self._window -= len(body)
            self._send(head + _frame(_DATA, _END_STREAM, self._stream, body))

    def receive(self) -> list[Ended]:
        """Reads what is there; gives the calls that it ends. With a connection that has broken, all end."""
        try:
            received = self.socket.recv(_RECEIVE)
        except BlockingIOError:
            return []
        except OSError:
            received = b""
        if not received:
            lost = [(number, grpc.StatusCode.UNAVAILABLE.name, b"") for number in self._calls.values()]
            self._calls.clear()
            return lost
        self._received += received
        return self._read_frames()

    def flush(self) -> None:
        """Sends what could not be sent before."""
        unsent, self._unsent = self._unsent, bytearray()
        self._send(unsent)

    def close(self) -> None:
        """Ends it, and the calls that have no answer yet."""
        self.socket.close()

    def _agree(self) -> None:
        """Settings take effect once the other side has said that it knows them."""
        settings = _TABLE_SIZE.to_bytes(2) + (0).to_bytes(4) + _INITIAL_WINDOW.to_bytes(2) + _WINDOW.to_bytes(4)
        window = _frame(_WINDOW_UPDATE, 0, 0, (_WINDOW - _FIRST_WINDOW).to_bytes(4))
        self.socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + window)
        while not self._agreed:
            received = self.socket.recv(_RECEIVE)
            if not received:
                raise ConnectionError("it hung up")
            self._received += received
            self._read_frames()
        self.socket.setblocking(False)

    def _send(self, data: bytes | bytearray) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                pass
            except OSError:
                return  # broken: `receive` says so
        if sent < len(data):
            self._unsent += data[sent:]

    def _read_frames(self) -> list[Ended]:
        received, at, ended = self._received, 0, list[Ended]()
        while len(received) >= at + _HEAD:
            end = at + _HEAD + int.from_bytes(received[at : at + 3])
            if len(received) < end:
                break
            kind, flags, stream = received[at + 3], received[at + 4], int.from_bytes(received[at + 5 : at + _HEAD])
            payload = received[at + _HEAD : end]
            at = end
            if kind == _DATA:
                self._bodies[stream] = self._bodies.get(stream, b"") + payload
            elif kind == _HEADERS and flags & _END_STREAM:
                ended += self._end(stream, _code_in(payload))
            elif kind == _RST_STREAM:
                ended += self._end(stream, grpc.StatusCode.UNAVAILABLE.name)
            elif not stream:
                self._control(kind, flags, payload)
        self._received = received[at:]
        return ended

    def _end(self, stream: int, code: str) -> list[Ended]:
        number = self._calls.pop(stream, None)
        body = self._bodies.pop(stream, b"")
        return [] if number is None else [(number, code, body[5:])]

    def _control(self, kind: int, flags: int, payload: bytes) -> None:
        """What concerns the connection as a whole."""
        if kind == _WINDOW_UPDATE:
            self._window += int.from_bytes(payload)
            while self._held_back and len(self._held_back[0][1]) <= self._window:
                stream, body = self._held_back.popleft()
                self._window -= len(body)
                self._send(_frame(_DATA, _END_STREAM, stream, body))
        elif kind == _SETTINGS and flags & _ACK:
            self._agreed = True
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._send(_frame(kind, _ACK, 0, payload if kind == _PING else b""))


def wait(connections: Sequence[Connection], longest_s: float) -> list[Ended]:
    """Sends and reads what can be; gives the calls that have ended. Returns after this time at the latest."""
    of_socket = {connection.socket: connection for connection in connections}
    blocked = [connection.socket for connection in connections if connection.blocked]
    readable, writable, _ = select.select(of_socket, blocked, [], max(longest_s, 0.0))
    for each in writable:
        of_socket[each].flush()
    return [ended for each in readable for ended in of_socket[each].receive()]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def _pack_headers(address: str, method: str, timeout_s: int) -> tuple[bytes, bytes]:
    """Those of the first call and of those after it. Numbers are indices into the standard's table of names."""
    noted: list[tuple[int | str, str]] = [
        (4, SERVICE + method),
        (1, address),
        (31, "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", f"{timeout_s}S"),
    ]
    post, http = b"\x83", b"\x86"
    first = post + http
    for name, value in noted:
        first += bytes((0x40 | name,)) if isinstance(name, int) else b"\x40" + _string(name)
        first += _string(value)
    return first, post + http + bytes(0x80 | _NOTED + place for place in reversed(range(len(noted))))


def _string(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


@lru_cache(maxsize=4096)
def _code_in(block: bytes) -> str:
    """The status that trailers carry; gRPC's `UNKNOWN` where they carry none."""
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0x80:  # a whole header of the standard's table
            _, at = _read_integer(block, at, 7)
        elif first & 0xE0 == 0x20:  # a new size of the table
            _, at = _read_integer(block, at, 5)
        else:
            index, at = _read_integer(block, at, 6 if first & 0x40 else 4)
            name, at = (b"", at) if index else _read_string(block, at)
            value, at = _read_string(block, at)
            if name == b"grpc-status":
                return _CODES[int(value)]
    return "UNKNOWN"


def _read_integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """An integer that begins in the last bits of a byte (RFC 7541, 5.1), and where it ends."""
    most = (1 << bits) - 1
    value, at, shift = block[at] & most, at + 1, 0
    more = value == most
    while more:
        value += (block[at] & 0x7F) << shift
        more, at, shift = block[at] >= 0x80, at + 1, shift + 7
    return value, at


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    """Its bytes as they stand: gRPC's servers leave out Huffman's code, and what has it is no status."""
    length, at = _read_integer(block, at, 7)
    return block[at : at + length], at + length
