"""URLs of Redis: one server, a cluster, or what sentinels watch over.

| form | what it names |
| --- | --- |
| `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | one server; `rediss://`: over TLS |
| `unix://[[USER]:PASSWORD@]/PATH[?db=DB]` | one server, by its socket |
| `redis+cluster://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]` | a cluster, by some of its servers |
| `redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DB]` | a service's master, by sentinels |

The last two are those of the packages limits and redis-sentinel-url; `rediss+cluster://` and `rediss+sentinel://` go
over TLS. User and password are Redis's own; those of sentinels are `?sentinel_username=` and `?sentinel_password=`.
Other parameters after `?` are redis-py's (`ssl_ca_certs=`, ...). Reserved characters are percent-encoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

_SINGLE = ("redis", "rediss", "unix")
_MANY = ("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")
_PORT, _SENTINEL_PORT = 6379, 26379


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """What an URL says.

    Attributes:
        kind: `single`, `cluster` or `sentinel`.
        hosts: host and port of the servers that are asked first; of one server alone it is in `server`.
        server: the URL in redis-py's form, with user, password, database and parameters.
        service: what the sentinels call it.
        sentinel: user and password of the sentinels.
    """

    kind: str
    hosts: tuple[tuple[str, int], ...]
    server: str = field(repr=False)
    service: str = ""
    sentinel: dict[str, str] = field(default_factory=dict, repr=False)


def read_redis_url(url: str) -> RedisUrl:
    """Takes an URL apart.

    Raises:
        ValueError: it is none that names a Redis; the message holds no password.
    """
    scheme = url.partition("://")[0]
    if scheme in _SINGLE:
        return _single(url)
    if scheme not in _MANY:
        raise ValueError(
            "not a URL such as redis://HOST:6379/0 (or rediss://, unix://, redis+cluster://, redis+sentinel://)"
        )
    return _many(url, scheme)


def _single(url: str) -> RedisUrl:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("names no socket; such as unix:///run/redis.sock")
        return RedisUrl(kind="single", hosts=(), server=url)
    if not parts.hostname:
        raise ValueError("names no host; such as redis://HOST:6379/0")
    _check_database(parts.path.removeprefix("/"))
    return RedisUrl(kind="single", hosts=((parts.hostname, _port(parts.netloc, _PORT)),), server=url)


def _many(url: str, scheme: str) -> RedisUrl:
    parts = urlsplit(url)
    transport, _, kind = scheme.partition("+")
    login, _, addresses = parts.netloc.rpartition("@")
    default = _SENTINEL_PORT if kind == "sentinel" else _PORT
    hosts = tuple(_address(address, default, scheme) for address in addresses.split(","))
    path = [unquote(part) for part in parts.path.split("/") if part]
    if kind == "sentinel":
        if not path:
            raise ValueError(f"names no service; such as {scheme}://HOST:26379/SERVICE/0")
        service, database = path[0], path[1:]
    else:
        service, database = "", path
    if kind == "cluster" and database not in ([], ["0"]):
        raise ValueError("a cluster has no other database than 0")
    if len(database) > 1:
        raise ValueError("has more parts than SERVICE and DB behind the hosts")
    number = database[0] if database else "0"
    _check_database(number)
    parameters, sentinel = [], {}
    for pair in parts.query.split("&") if parts.query else []:
        for name, value in parse_qsl(pair):
            if name in ("sentinel_username", "sentinel_password"):
                sentinel[name.removeprefix("sentinel_")] = value
            else:
                parameters.append(pair)
    host, port = hosts[0]
    bracketed = f"[{host}]" if ":" in host else host
    server = f"{transport}://{login + '@' if login else ''}{bracketed}:{port}/{number}"
    server += "?" + "&".join(parameters) if parameters else ""
    return RedisUrl(kind=kind, hosts=hosts, server=server, service=service, sentinel=sentinel)


def _address(text: str, default_port: int, scheme: str) -> tuple[str, int]:
    host = urlsplit("//" + text).hostname
    if not host:
        raise ValueError(f"names no host; such as {scheme}://HOST1:{default_port},HOST2:{default_port}")
    return host, _port(text, default_port)


def _port(netloc: str, default: int) -> int:
    try:
        port = urlsplit("//" + netloc).port
    except ValueError:
        raise ValueError("a port is not a number from 0 to 65535") from None
    return default if port is None else port


def _check_database(number: str) -> None:
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError("the database is not a number")
