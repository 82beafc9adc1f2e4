"""An open-loop client: it sends calls when they are due, whether or not earlier calls are answered.

Latency counts from the time a call was due, so that all waiting counts, also waiting in the client's own queue. (If it
counted from the sending, a slow server would slow the client down and hide its own delays: Tene calls this "coordinated
omission".)

One thread sends and reads, on HTTP/2 by the `h2` library: the client must be several times as fast as the server, and
gRPC's own clients are not.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

import grpc
import numpy as np
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError
from numpy.typing import NDArray

from benchmarks.serving.calls import COMPLETE, SERVICE, count_degraded
from benchmarks.serving.servers import Started
from benchmarks.serving.typing_traffic import fixed_arrivals
from lm.errors import UnavailableError

_TIMEOUT_S = 10
_CONNECT_S = 30.0
_RECEIVE = 1 << 18
_WINDOW = 2**31 - 1 - 65_535
_HEAD_START_S = 0.02
_LATE_S = 0.002
_CEILING_S = 1.0
_RATES_PER_S = tuple(round(500 * 2 ** (step / 2)) for step in range(12))
_CODES: dict[bytes, str] = {str(code.value[0]).encode(): code.name for code in grpc.StatusCode}
_LOST = grpc.StatusCode.UNAVAILABLE.name

Ended = tuple[int, str, bytes]
"""A call, gRPC's name of its outcome, and its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of calls, in the order they were due.

    Attributes:
        began_s: the start, of `time.perf_counter`.
        due_s, sent_s, done_s: since the start, float64 (n,).
        codes: gRPC's name of each outcome.
        answers: empty where there was none.
    """

    began_s: float
    due_s: NDArray[np.float64]
    sent_s: NDArray[np.float64]
    done_s: NDArray[np.float64]
    codes: list[str]
    answers: list[bytes]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which calls got what they asked for, bool (n,)."""
        return np.array([code == "OK" for code in self.codes])

    @property
    def latencies_s(self) -> NDArray[np.float64]:
        """Of the answered calls, in their order."""
        chosen = self.answered
        found: NDArray[np.float64] = (self.done_s - self.due_s)[chosen]
        return found

    def percentile(self, share: float) -> float:
        """Seconds that this share of the answered calls took at most; infinite if there is none."""
        return float(np.quantile(self.latencies_s, share)) if self.answered.any() else float("inf")

    @property
    def outcomes(self) -> Counter[str]:
        """How many calls ended how."""
        return Counter(self.codes)

    @property
    def unanswered(self) -> int:
        """Calls that got neither an answer nor a refusal that says when to try again."""
        return len(self.codes) - self.outcomes["OK"] - self.outcomes["RESOURCE_EXHAUSTED"]

    @property
    def degraded(self) -> float:
        """Share of the answers in which a part of the ensemble was left out."""
        return count_degraded(COMPLETE, filter(None, self.answers)) / max(self.outcomes["OK"], 1)

    @property
    def lateness_s(self) -> float:
        """99th percentile of how late the client itself sent a call."""
        return float(np.quantile(self.sent_s - self.due_s, 0.99))


class Connection:
    """An HTTP/2 connection that calls one method.

    Args:
        timeout_s: of a call. The server is told; the caller has to give up by itself.

    Raises:
        UnavailableError: nobody there speaks HTTP/2.
    """

    def __init__(self, address: str, method: str, timeout_s: int) -> None:
        self._headers = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", f"{SERVICE}{method}".encode()),
            (b":authority", address.encode()),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"grpc-timeout", f"{timeout_s}S".encode()),
        ]
        self._calls: dict[int, int] = {}
        self._answers: dict[int, tuple[str, bytes]] = {}
        self._unsent = bytearray()
        self._held_back: deque[tuple[int, bytes]] = deque()
        self._http2 = H2Connection(H2Configuration(header_encoding=None))
        host, _, port = address.partition(":")
        self.socket = socket.socket()
        try:
            self._connect(host, int(port))
        except (OSError, ProtocolError) as error:
            self.close()
            remedy = "See that a server without TLS listens there."
            raise UnavailableError(f"No HTTP/2 at {address}: {error}", remedy=remedy) from None

    def _connect(self, host: str, port: int) -> None:
        self.socket.settimeout(_CONNECT_S)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http2.initiate_connection()
        self._http2.increment_flow_control_window(_WINDOW)
        self.socket.sendall(self._http2.data_to_send())
        settled = False
        while not settled:
            received = self.socket.recv(_RECEIVE)
            if not received:
                raise ConnectionError("it hung up")
            settled = any(isinstance(event, RemoteSettingsChanged) for event in self._http2.receive_data(received))
        self.socket.setblocking(False)
        self.flush()

    @property
    def blocked(self) -> bool:
        """Whether the system takes no more bytes for now; call `flush` once the socket is writable."""
        return bool(self._unsent)

    def call(self, number: int, message: bytes) -> None:
        """Sends a message as the call of this number; never waits."""
        stream = self._http2.get_next_available_stream_id()
        self._calls[stream] = number
        self._answers[stream] = ("UNKNOWN", b"")
        with suppress(ProtocolError):  # the server has ended the connection: `receive` says so
            self._http2.send_headers(stream, self._headers)
            self._held_back.append((stream, b"\0" + len(message).to_bytes(4) + message))
            self._send_held_back()

    def _send_held_back(self) -> None:
        """Sends the messages that the server has room for, in their order."""
        while self._held_back:
            stream, body = self._held_back[0]
            if stream in self._calls:
                room = min(self._http2.local_flow_control_window(stream), self._http2.max_outbound_frame_size)
                if not room:
                    break
                self._http2.send_data(stream, body[:room], end_stream=len(body) <= room)
                if len(body) > room:
                    self._held_back[0] = (stream, body[room:])
                    continue
            self._held_back.popleft()
        self.flush()

    def flush(self) -> None:
        """Sends what could not be sent before."""
        self._unsent += self._http2.data_to_send()
        try:
            del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # broken: `receive` says so

    def receive(self) -> list[Ended]:
        """Reads what is there; returns the calls that it ends. If the connection has broken, all calls end."""
        try:
            received = self.socket.recv(_RECEIVE)
            events = self._http2.receive_data(received) if received else [ConnectionTerminated()]
        except BlockingIOError:
            return []
        except (OSError, ProtocolError):
            events = [ConnectionTerminated()]
        ended = [found for event in events for found in self._read(event)]
        self._send_held_back()
        return ended

    def _read(self, event: Event) -> list[Ended]:
        if isinstance(event, DataReceived):
            code, body = self._answers[event.stream_id]
            self._answers[event.stream_id] = (code, body + event.data)
            self._http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, ResponseReceived | TrailersReceived):
            for name, value in event.headers:
                if name == b"grpc-status":
                    self._answers[event.stream_id] = (_CODES[value], self._answers[event.stream_id][1])
        elif isinstance(event, StreamEnded | StreamReset) and event.stream_id in self._calls:
            code, body = self._answers.pop(event.stream_id)
            return [(self._calls.pop(event.stream_id), _LOST if isinstance(event, StreamReset) else code, body[5:])]
        elif isinstance(event, ConnectionTerminated):
            lost = [(number, _LOST, b"") for number in self._calls.values()]
            self._calls.clear()
            return lost
        return []

    def close(self) -> None:
        """Ends the connection, and the calls that have no answer yet."""
        self.socket.close()


def _wait(connections: Sequence[Connection], longest_s: float) -> list[Ended]:
    """Sends and reads what can be; returns the calls that have ended, after this time at the latest."""
    by_socket = {connection.socket: connection for connection in connections}
    blocked = [connection.socket for connection in connections if connection.blocked]
    readable, writable, _ = select.select(by_socket, blocked, [], max(longest_s, 0.0))
    for each in writable:
        by_socket[each].flush()
    return [ended for each in readable for ended in by_socket[each].receive()]


def offer(
    address: str, requests: Sequence[bytes], due_s: NDArray[np.float64], *, method: str = COMPLETE, connections: int = 4
) -> Load:
    """Sends the requests when they are due, over some connections by turns, and waits for what comes of them.

    Raises:
        UnavailableError: nobody there speaks HTTP/2.
    """
    with ExitStack() as stack:
        opened = [
            stack.enter_context(closing(Connection(address, method, _TIMEOUT_S)))
            for _ in range(min(connections, len(requests)))
        ]
        return _offer(opened, requests, due_s)


def _offer(connections: Sequence[Connection], requests: Sequence[bytes], due_s: NDArray[np.float64]) -> Load:
    count, sent, ended = len(requests), 0, 0
    sent_s, done_s, last_s = np.zeros(count), np.zeros(count), 0.0
    codes, answers = [grpc.StatusCode.DEADLINE_EXCEEDED.name] * count, [b""] * count
    due = [*due_s.tolist(), math.inf]
    start_s = time.perf_counter() + _HEAD_START_S
    while ended < count:
        now_s = time.perf_counter() - start_s
        if due[sent] <= now_s:
            connections[sent % len(connections)].call(sent, requests[sent])
            sent_s[sent] = last_s = now_s
            sent += 1
        elif sent < count or now_s < last_s + _TIMEOUT_S:
            for number, code, answer in _wait(connections, min(due[sent], last_s + _TIMEOUT_S) - now_s):
                done_s[number] = time.perf_counter() - start_s
                codes[number], answers[number] = code, answer
                ended += 1
        else:
            break
    done_s = np.where(done_s > 0, done_s, last_s + _TIMEOUT_S)
    return Load(began_s=start_s, due_s=due_s, sent_s=sent_s, done_s=done_s, codes=codes, answers=answers)


def offer_by_turns(
    servers: Mapping[str, Started], rounds: Sequence[tuple[Sequence[bytes], NDArray[np.float64]]], connections: int = 4
) -> tuple[dict[str, list[Load]], dict[str, float]]:
    """Offers each round's requests to one server after the other; the loads, and processor seconds a call.

    Args:
        rounds: requests, and when they are due.
    """
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    used_s = dict.fromkeys(servers, 0.0)
    for requests, due_s in rounds:
        for name, server in servers.items():
            before_s = server.cpu_s()
            loads[name].append(offer(server.address, requests, due_s, connections=connections))
            used_s[name] += server.cpu_s() - before_s
    count = sum(len(requests) for requests, _ in rounds)
    return loads, {name: max(seconds, 1e-9) / count for name, seconds in used_s.items()}


def ceiling(address: str, request: bytes) -> int:
    """Calls a second that the client can offer to a server before it is late itself: those of the empty one tell."""
    reached = 0
    for rate in _RATES_PER_S:
        count = int(rate * _CEILING_S)
        load = offer(address, [request] * count, fixed_arrivals(count, rate))
        if load.lateness_s > _LATE_S or not load.answered.all():
            break
        reached = rate
    return reached
