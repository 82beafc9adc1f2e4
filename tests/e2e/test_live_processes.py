"""Take-downs while processes and stores are killed: what was acknowledged holds, everywhere and after every restart."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import grpc
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import deny_list_service_pb2_grpc as deny_grpc

from service.live.changes import Change
from service.live.stores.store import open_store
from tests.redis_process import RedisProcess
from tests.service_process import started
from tests.service_twins import eventually
from tests.store_writers import Writer, everything, kill_rounds

_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


def test_nothing_acknowledged_is_lost_when_writers_to_a_file_are_killed(tmp_path: Path) -> None:
    taken, lost = kill_rounds(str(tmp_path / "live.sqlite"), 3)
    assert taken > 0
    assert lost == 0


def test_nothing_acknowledged_is_lost_when_redis_is_killed(tmp_path: Path) -> None:
    redis = RedisProcess(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    redis.start()

    def kill(_: int) -> None:
        redis.stop()
        redis.start()

    try:
        taken, lost = kill_rounds(redis.url, 3, kill)
        assert taken > 0
        assert lost == 0
    finally:
        redis.stop()


def test_a_full_disk_takes_nothing_in_part(tmp_path: Path) -> None:
    location = str(tmp_path / "live.sqlite")
    writer = Writer(location, "w", limit_bytes=150_000)
    writer.wait_for("failed")
    taken = writer.kill()
    changes = everything(location)
    assert changes
    assert taken <= {change.key for change in changes}
    store = open_store(location)
    assert store.put(Change(kind="deny", key="later", value={}, by="", at_s=1.0), expected=0) is not None
    store.close()


def ask(address: str) -> set[tuple[str, ...]]:
    """The lists that workers give, over new connections."""
    lists = set()
    for _ in range(8):
        with grpc.insecure_channel(address, options=_OWN_CONNECTION) as channel:
            answer = pb_grpc.AutocompleteServiceStub(channel).CompleteQuery(pb.CompleteQueryRequest(), timeout=60)
            lists.add(tuple(each.text for each in answer.suggestions))
    return lists


def deny(address: str, phrase: str) -> None:
    entry = deny_pb.DenyListEntry(phrase=phrase, match_operator=deny_pb.DenyListEntry.MATCH_OPERATOR_EXACT)
    with grpc.insecure_channel(address, options=_OWN_CONNECTION) as channel:
        request = deny_pb.CreateDenyListEntryRequest(deny_list_entry=entry)
        deny_grpc.DenyListServiceStub(channel).CreateDenyListEntry(request, timeout=60)


@pytest.mark.parametrize("workers", [2])
def test_every_worker_obeys_within_two_seconds_and_after_it_was_killed(
    tiny_bundle_registry: Path, tmp_path: Path, workers: int
) -> None:
    live = str(tmp_path / "live.sqlite")
    with started(tiny_bundle_registry, workers=workers, live=live) as process:
        (first, *_) = next(iter(ask(process.address)))
        deny(process.address, first)
        eventually(lambda: not any(first in shown for shown in ask(process.address)))
        children = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text(encoding="ascii")
        for pid in map(int, children.split()):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: answers(process.address), timeout_s=120)
        assert not any(first in shown for shown in ask(process.address))
        second = next(iter(ask(process.address)))[0]
        deny(process.address, second)
        process.popen.kill()  # the supervisor; its workers notice that it is gone
        process.end()
    with started(tiny_bundle_registry, workers=1, live=live) as process:
        assert not any({first, second} & set(shown) for shown in ask(process.address))


def answers(address: str) -> bool:
    try:
        return bool(ask(address))
    except grpc.RpcError:
        return False
