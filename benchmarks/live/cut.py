"""What a replica still shows after it was cut off from the store for a while."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from autocomplete.v1 import autocomplete_service_pb2 as pb

from benchmarks.live.servers import Store, popular, replicas, store_of
from benchmarks.live.severed import Severed


def measure_cut(registry: Path, sample: Path, away_s: float, changes: int) -> None:
    """Prints what a replica still shows 2 s after its connection to Redis came back."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        location, redis = stack.enter_context(store_of(Store.REDIS, folder))
        assert redis is not None
        wire = stack.enter_context(Severed(redis.port))
        servers = stack.enter_context(replicas(registry, folder, location, wire.url))
        here, away = (server.callers(stack) for server in servers)
        texts = popular(sample, here[0], changes)
        before = {caller: {text: caller.shown(text[:-1]) for text in texts} for caller in away}
        wire.cut()
        cut_s = time.monotonic()
        for text in texts:
            here[0].take_down(text)
        still = [caller.answers.CompleteQuery(pb.CompleteQueryRequest(query=texts[0][:-1])) for caller in away]
        time.sleep(max(0.0, cut_s + away_s - time.monotonic()))
        wire.heal()
        healed_s = time.monotonic()
        while any(texts[-1] in caller.shown(texts[-1][:-1]) for caller in away):
            time.sleep(0.02)
        back_s = time.monotonic() - healed_s
        time.sleep(max(0.0, healed_s + 2 - time.monotonic()))
        lists = [{text: caller.shown(text[:-1]) for text in texts} for caller in (*here, *away)]
    differ = sum(lists[0][text] != each[text] for text in texts for each in lists)
    print(
        f"cut off for {away_s:.0f} s, {len(texts)} take-downs meanwhile: it answered on "
        f"({sum(texts[0] in [s.text for s in each.suggestions] for each in still)} of {len(still)} with the first of "
        f"them), the last one held {back_s:.3f} s after it was back; "
        f"after 2 s {differ} lists of {len(texts)} differ, of {len(before)} connections"
    )
