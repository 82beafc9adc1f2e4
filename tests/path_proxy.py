"""A proxy that puts a gateway under a path of a site, as nginx does by `location /auto/` and `proxy_pass`."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def site_with_gateway(port: int, *, prefix: str, site_port: int = 0, strips: bool = True) -> Iterator[int]:
    """A site that hands paths below `prefix` on to a gateway; any other path is 404. Yields the site's port.

    Args:
        strips: the gateway gets the path without the prefix.
    """
    with socket.create_server(("127.0.0.1", site_port)) as listener:
        taking = threading.Thread(target=_take, args=(listener, port, prefix, strips), name="proxy")
        taking.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # ends `accept`
            taking.join(timeout=20)


def _take(listener: socket.socket, port: int, prefix: str, strips: bool) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, port, prefix, strips), daemon=True).start()


def _serve(client: socket.socket, port: int, prefix: str, strips: bool) -> None:
    """Hands one request on; what follows a request to become a WebSocket goes both ways."""
    with client, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as gateway:
        received = b""
        while b"\r\n\r\n" not in received:
            part = client.recv(65536)
            if not part:
                return
            received += part
        head, _, rest = received.partition(b"\r\n\r\n")
        verb, _, target = head.partition(b" ")
        if not target.startswith(prefix.encode() + b"/"):
            client.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        if b"upgrade: websocket" not in head.lower():  # one request a connection, so that no second head follows
            target = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", target) + b"\r\nConnection: close"
        target = re.sub(rb"(?im)^host:[^\r]*", b"Host: 127.0.0.1:%d" % port, target)
        gateway.sendall(verb + b" " + target.removeprefix(prefix.encode() if strips else b"") + b"\r\n\r\n" + rest)
        threading.Thread(target=_pipe, args=(client, gateway), daemon=True).start()
        _pipe(gateway, client)


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
