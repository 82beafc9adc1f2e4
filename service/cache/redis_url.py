"""URLs of Redis: one server, a cluster, or the master that sentinels watch.

| form | what it names |
| --- | --- |
| `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | one server; `rediss://`: over TLS |
| `unix://[[USER]:PASSWORD@]/PATH[?db=DB]` | one server, by its socket |
| `redis+cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]` | a cluster, by some of its servers |
| `redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DB]` | a service's master, by sentinels |

The packages limits and redis-sentinel-url use the last two forms as well. `rediss+cluster://` and `rediss+sentinel://`
go over TLS. User and password are those of the Redis servers. Sentinels have their own: `?sentinel_username=` and
`?sentinel_password=`. redis-py reads all other parameters after `?` (`ssl_ca_certs=`, ...). Reserved characters are
percent-encoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

_SCHEMES = ("redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
_PORT, _SENTINEL_PORT = 6379, 26379


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """What a URL says.

    Attributes:
        kind: `single`, `cluster` or `sentinel`.
        hosts: host and port of the servers to ask first; empty for a socket.
        server: a URL that redis-py reads, with user, password, database and parameters.
        service: the name that the sentinels have for the master.
        sentinel: user and password of the sentinels.
    """

    kind: str
    hosts: tuple[tuple[str, int], ...]
    server: str = field(repr=False)
    service: str = ""
    sentinel: dict[str, str] = field(default_factory=dict, repr=False)


def read_redis_url(url: str) -> RedisUrl:
    """Reads a URL.

    Raises:
        ValueError: it names no Redis; the message holds no password.
    """
    scheme = url.partition("://")[0]
    parts = urlsplit(url)
    if scheme == "unix":
        if not parts.path:
            raise ValueError("names no socket; such as unix:///run/redis.sock")
        return RedisUrl(kind="single", hosts=(), server=url)
    if scheme not in _SCHEMES:
        raise ValueError(
            "not a URL such as redis://HOST:6379/0 (or rediss://, unix://, redis+cluster://, redis+sentinel://)"
        )
    transport, _, kind = scheme.partition("+")
    login, at, addresses = parts.netloc.rpartition("@")
    default_port = _SENTINEL_PORT if kind == "sentinel" else _PORT
    hosts = tuple(_address(address, default_port, scheme) for address in addresses.split(","))
    service, database = _path(kind, parts.path, scheme)
    if not kind:
        if len(hosts) > 1:
            raise ValueError("names several hosts; the URL of a cluster begins with redis+cluster://")
        return RedisUrl(kind="single", hosts=hosts, server=url)
    parameters = parse_qsl(parts.query)
    own = ("sentinel_username", "sentinel_password")
    host, port = hosts[0]
    server = f"{transport}://{login}{at}{f'[{host}]' if ':' in host else host}:{port}/{database}"
    rest = urlencode([(name, value) for name, value in parameters if name not in own])
    sentinel = {name.removeprefix("sentinel_"): value for name, value in parameters if name in own}
    return RedisUrl(
        kind=kind, hosts=hosts, server=f"{server}?{rest}" if rest else server, service=service, sentinel=sentinel
    )


def _address(text: str, default_port: int, scheme: str) -> tuple[str, int]:
    parts = urlsplit("//" + text)
    if not parts.hostname:
        raise ValueError(f"names no host; such as {scheme}://HOST:{default_port}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("a port is not a number from 0 to 65535") from None
    return parts.hostname, default_port if port is None else port


def _path(kind: str, path: str, scheme: str) -> tuple[str, str]:
    """The service and the database that a path names."""
    names = [unquote(name) for name in path.split("/") if name]
    if kind == "sentinel" and not names:
        raise ValueError(f"names no service; such as {scheme}://HOST:{_SENTINEL_PORT}/SERVICE/0")
    service = names.pop(0) if kind == "sentinel" else ""
    if len(names) > 1:
        raise ValueError("has more parts than a database behind the hosts")
    database = names[0] if names else "0"
    if not (database.isascii() and database.isdigit()):
        raise ValueError("the database is not a number")
    if kind == "cluster" and database != "0":
        raise ValueError("a cluster has no other database than 0")
    return service, database
