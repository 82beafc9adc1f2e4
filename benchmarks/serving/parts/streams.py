"""Many open `StreamCompleteQuery` sessions on one worker: unary calls beside them, and what a keystroke costs."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.serving.bench import Bench
from benchmarks.serving.figures import Figure, at_most, degraded, ms
from benchmarks.serving.open_loop import EVENT_LOOP
from benchmarks.serving.parts.overload import find_saturation, typing_load
from benchmarks.serving.stream_clients import begin_typing, open_sessions

_SHARE, _TYPING_SHARE = 0.3, 0.15
_SPARE_STREAMS = 12
_UNHARMED = 1.25
"""A p99 varies that much by itself from one stretch to the next."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Yields the figures."""
    count, load_s = bench.effort.streams, bench.effort.load_s
    with bench.server({"--cache": "none", "--max-streams": count + _SPARE_STREAMS}) as server:
        saturation = find_saturation(bench, server)
        rate = _SHARE * saturation
        alone = typing_load(bench, server, rate)
        with open_sessions(server.address, count, bench.queries()) as sessions:
            opened = sum(not session.failed for session in sessions)
            idle = typing_load(bench, server, rate)
            task = begin_typing(sessions, _TYPING_SHARE * saturation, load_s)
            typing = typing_load(bench, server, rate)
            typed = EVENT_LOOP.run_until_complete(task)
            before_s = server.cpu_s()
            only_typed = EVENT_LOOP.run_until_complete(begin_typing(sessions, rate, load_s))
            keystroke_s = (server.cpu_s() - before_s) / only_typed.keystrokes
            broken = sum(session.failed for session in sessions)
    name = f"{count} sessions of StreamCompleteQuery on one worker"
    yield Figure(name=name, measured=f"{opened} open", target=f"{count} open", met=opened == count)
    for name, load in (("idle", idle), ("typing", typing)):
        for share in (0.5, 0.99):
            own, usual = load.percentile(share), alone.percentile(share)
            title = f"unary calls beside {count} sessions, {name}: p{100 * share:.0f} / without sessions"
            said = f"{ms(own)}, without {ms(usual)}, {rate:.0f} calls/s"
            yield at_most(title, own / usual, _UNHARMED, said)
    yield degraded("unary calls beside sessions", (idle.degraded + typing.degraded) / 2)
    counts = f"{typed.keystrokes} keystrokes {typed.answered} answered, {typed.degraded} degraded"
    said = f"p50 {ms(typed.p50_s)}, p99 {ms(typed.p99_s)}; of {counts}, {broken} sessions broken"
    yield Figure(name="keystrokes of sessions: final answers", measured=said)
    said = f"{keystroke_s * 1e6:.0f} us, {1e6 / saturation:.0f} us; fast answer and refined one"
    name = "processor seconds of a keystroke / of a unary call"
    yield Figure(name=name, measured=f"{keystroke_s * saturation:.2f} ({said})")
