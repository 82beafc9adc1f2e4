"""Saturation by `h2load`: as many calls as the server can answer, from a client that costs next to nothing.

It takes every HTTP 200 for a success, and gRPC sends one with a refusal too: check the codes beside it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.serving.calls import SERVICE
from benchmarks.serving.servers import CLIENT_CORES, pinned
from lm.errors import UnavailableError

_FINISHED = re.compile(r"finished in [^,]+, ([\d.]+) req/s")
_SUCCEEDED = re.compile(r"(\d+) succeeded")


def is_there() -> bool:
    """Whether the program is installed (Debian: `nghttp2-client`)."""
    return shutil.which("h2load") is not None


def saturate(
    address: str, method: str, request: bytes, count: int, folder: Path, *, connections: int, each: int
) -> float:
    """Answers a second to one request, asked `count` times.

    Args:
        folder: for the body's file.
        each: calls under way at the same time on each connection.

    Raises:
        UnavailableError: it failed, or not every call got an HTTP 200.
    """
    body = folder / "body"
    body.write_bytes(b"\0" + len(request).to_bytes(4, "big") + request)  # gRPC's frame: not compressed, length
    load = ["-n", str(count), "-c", str(connections), "-m", str(each), "-d", str(body)]
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    with pinned(CLIENT_CORES):
        run = subprocess.run(
            ["h2load", *load, *headers, f"http://{address}{SERVICE}{method}"],
            capture_output=True,
            text=True,
            check=False,
        )
    return rate_of(run.stdout, count, run.stdout + run.stderr)


def rate_of(output: str, count: int, said: str = "") -> float:
    """The rate that h2load printed.

    Raises:
        UnavailableError: it printed none, or another number of successes than calls.
    """
    finished, succeeded = _FINISHED.search(output), _SUCCEEDED.search(output)
    if finished is None or succeeded is None or int(succeeded[1]) != count:
        raise UnavailableError("h2load failed.", remedy=f"It said: {(said or output)[-1000:]}")
    return float(finished[1])
