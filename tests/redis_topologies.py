"""Real Redis servers that belong together, for tests: a cluster, and a master with a replica and a sentinel."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from tests.redis_process import HOST, RedisProcess, executable, free_port

SERVICE = "answers"
_TIMEOUT_S = 30.0


class RedisCluster:
    """Three masters that share the slots."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [_node(folder / name, *("--cluster-enabled", "yes")) for name in ("a", "b", "c")]

    @property
    def url(self) -> str:
        """What a client connects to."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Starts the servers, makes them known to each other and waits until they agree."""
        share = -(-REDIS_CLUSTER_HASH_SLOTS // len(self.nodes))
        for number, node in enumerate(self.nodes):
            node.start()
            slots = range(number * share, min((number + 1) * share, REDIS_CLUSTER_HASH_SLOTS))
            with _client(node) as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER", "ADDSLOTS", *slots)
                client.execute_command("CLUSTER", "MEET", HOST, self.nodes[0].port)
        _wait(lambda: all(_agrees(node) for node in self.nodes))

    def move(self, slot: int, target: RedisProcess) -> None:
        """Gives a slot to another server, without what is in it."""
        with _client(target) as client:
            name = client.execute_command("CLUSTER", "MYID")
        for node in self.nodes:
            with _client(node) as client:
                for key in client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                    client.delete(key)
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", name)

    def stop(self) -> None:
        """Stops all servers."""
        for node in self.nodes:
            node.stop()


class RedisWithSentinel:
    """A master, its replica, and a sentinel that makes the replica the master if need be."""

    def __init__(self, folder: Path) -> None:
        self.master = _node(folder / "master")
        self.replica = _node(folder / "replica", *("--replicaof", HOST, str(self.master.port)))
        self._folder = folder
        self._port = free_port()
        self._sentinel: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"redis+sentinel://{HOST}:{self._port}/{SERVICE}"

    def start(self) -> None:
        """Starts all three and waits until the sentinel knows the replica."""
        self.master.start()
        self.replica.start()
        path = self._folder / "sentinel.conf"
        path.write_text(
            f"bind {HOST}\nport {self._port}\ndir {self._folder}\n"
            f"sentinel monitor {SERVICE} {HOST} {self.master.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 300\nsentinel failover-timeout {SERVICE} 2000\n",
            encoding="utf-8",
        )
        with (self._folder / "sentinel.log").open("ab") as log:
            self._sentinel = subprocess.Popen(
                [executable(), str(path), "--sentinel"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        _wait(self._watches)

    def stop(self) -> None:
        """Stops all three."""
        if self._sentinel is not None:
            self._sentinel.kill()
            self._sentinel.wait()
        self.master.stop()
        self.replica.stop()

    def _watches(self) -> bool:
        with redis.Redis(host=HOST, port=self._port) as sentinel:
            state = sentinel.sentinel_master(SERVICE)
            return bool(state["num-slaves"]) and not state["is_sdown"]


def _node(folder: Path, *options: str) -> RedisProcess:
    folder.mkdir()
    return RedisProcess(folder, *options)


def _client(node: RedisProcess) -> redis.Redis:
    return redis.Redis(host=HOST, port=node.port)


def _agrees(node: RedisProcess) -> bool:
    with _client(node) as client:
        ranges = client.execute_command("CLUSTER", "SLOTS")
        return len(ranges) == 3 and b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")


def _wait(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline_s:
            raise RuntimeError("the Redis servers did not find each other")
        time.sleep(0.05)
