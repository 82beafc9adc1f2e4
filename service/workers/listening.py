"""Ports to listen on, and errors that say why one cannot be had."""

from __future__ import annotations

import socket

from lm.errors import UnavailableError
from service.config import split_address


def try_port(address: str) -> None:
    """Listens for a moment: unlike gRPC, which tells its log, this tells the reason.

    Raises:
        OSError: the port is taken, or the host is none of this machine.
    """
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


def reserve_port(address: str) -> socket.socket:
    """Holds a port that processes of this user may share, without listening on it; 0 takes a free one.

    Raises:
        OSError: the port is taken, or the host is none of this machine.
    """
    try_port(address)
    host, port = split_address(address)
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError:
        held.close()
        raise
    return held


def port_taken(flag: str, address: str, error: OSError | RuntimeError) -> UnavailableError:
    """The error of an address that a flag names and that cannot be listened on."""
    reason = ""
    if isinstance(error, OSError) and error.strerror:
        reason = f" ({error.strerror.partition(' (')[0].lower()})"  # `socket` adds the address once more
    return UnavailableError(
        f"{flag}: cannot listen on {address}{reason}: the port is taken, or the host is not this machine's.",
        remedy="Stop what listens there, or choose another port.",
    )
