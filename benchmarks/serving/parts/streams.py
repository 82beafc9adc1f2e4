"""Many open `StreamCompleteQuery` sessions on one worker: unary calls beside them, and what a keystroke costs."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.serving.bench import Bench, Figure, at_most, degraded, ms
from benchmarks.serving.parts.overload import find_saturation, typing_load, uncached_server
from benchmarks.serving.servers import Started
from benchmarks.serving.stream_clients import StreamClients, stream_clients

_SHARE, _TYPING_SHARE = 0.3, 0.15
_SPARE_STREAMS = 12
_UNHARMED = 1.25
"""A p99 varies that much by itself from one stretch to the next."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    count = bench.effort.streams
    with uncached_server(bench, max_streams=count + _SPARE_STREAMS) as server:
        saturation = find_saturation(bench, server)
        rate = _SHARE * saturation
        alone = typing_load(bench, server, rate)
        with stream_clients(server.address, count, bench.queries(), bench.new_folder()) as streams:
            opened = streams.opened["open"]
            yield Figure(
                name=f"{count} sessions of StreamCompleteQuery on one worker",
                measured=f"{opened:g} open, {streams.opened['failed']:g} refused or broken",
                target=f"{count} open",
                met=opened == count,
            )
            idle = typing_load(bench, server, rate)
            streams.type(_TYPING_SHARE * saturation, bench.effort.load_s)
            typing = typing_load(bench, server, rate)
            outcome = streams.outcome()
            keystroke_s = _keystroke_s(bench, server, streams, rate)
    for name, load in (("idle", idle), ("typing", typing)):
        for share in (0.5, 0.99):
            own, usual = load.percentile(share), alone.percentile(share)
            percentile = f"p{100 * share:.0f}"
            yield at_most(
                f"unary calls beside {count} sessions, {name}: {percentile} / {percentile} without",
                own / usual,
                _UNHARMED,
                f"{ms(own)}, without {ms(usual)}, {rate:.0f} calls/s",
            )
    yield degraded("unary calls beside sessions", (idle.degraded + typing.degraded) / 2)
    yield Figure(
        name="keystrokes of sessions: final answers",
        measured=f"p50 {ms(outcome['p50_s'])}, p99 {ms(outcome['p99_s'])}; of {outcome['keystrokes']:g} keystrokes"
        f" {outcome['answered']:g} answered, {outcome['degraded']:g} degraded, {outcome['broken']:g} sessions broken",
    )
    said = f"{keystroke_s * 1e6:.0f} us, {1e6 / saturation:.0f} us; fast answer and refined one"
    name = "processor seconds of a keystroke / of a unary call"
    yield Figure(name=name, measured=f"{keystroke_s * saturation:.2f} ({said})")


def _keystroke_s(bench: Bench, server: Started, streams: StreamClients, rate_per_s: float) -> float:
    before_s = server.cpu_s()
    streams.type(rate_per_s, bench.effort.load_s)
    keystrokes = streams.outcome()["keystrokes"]
    return (server.cpu_s() - before_s) / max(keystrokes, 1)
