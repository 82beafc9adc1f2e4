from __future__ import annotations

import pytest

from service.cache.redis_url import RedisUrl, read_redis_url


def test_one_server_is_left_to_redis_py() -> None:
    for url in ("redis://h", "rediss://u:p@h:1/2?ssl_ca_certs=x", "redis://[::1]:7/0"):
        assert read_redis_url(url).server == url
    assert read_redis_url("redis://[::1]:7/0").hosts == (("::1", 7),)
    assert read_redis_url("unix:///run/redis.sock?db=1") == RedisUrl(
        kind="single", hosts=(), server="unix:///run/redis.sock?db=1"
    )


def test_a_cluster_is_named_by_some_of_its_servers() -> None:
    found = read_redis_url("rediss+cluster://user:p%40ss@one:7000,two,[::1]:7002?ssl_ca_certs=%2Fca.pem")
    assert (found.kind, found.hosts) == ("cluster", (("one", 7000), ("two", 6379), ("::1", 7002)))
    assert found.server == "rediss://user:p%40ss@one:7000/0?ssl_ca_certs=%2Fca.pem"


def test_sentinels_name_a_service_and_a_database() -> None:
    found = read_redis_url("redis+sentinel://:secret@one,two:26380/my%20master/3?sentinel_password=a%26b&client_name=x")
    assert (found.kind, found.hosts) == ("sentinel", (("one", 26379), ("two", 26380)))
    assert (found.service, found.sentinel) == ("my master", {"password": "a&b"})
    assert found.server == "redis://:secret@one:26379/3?client_name=x"
    assert "secret" not in repr(found)
    assert "a&b" not in repr(found)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:6379", "not a URL"),
        ("http://:secret@host", "not a URL"),
        ("redis://", "names no host"),
        ("redis://host:many/0", "a port is not a number"),
        ("redis://:secret@host:99999/0", "a port is not a number"),
        ("redis://host/secret", "database is not a number"),
        ("unix://", "names no socket"),
        ("redis+cluster://", "names no host"),
        ("redis+cluster://one,,two", "names no host"),
        ("redis+cluster://:secret@one:x", "a port is not a number"),
        ("redis+cluster://one/1", "no other database"),
        ("redis+sentinel://one", "names no service"),
        ("redis+sentinel://one/service/zero", "database is not a number"),
        ("redis+sentinel://one/service/0/secret", "more parts"),
        ("redis://:secret@one,two", "several hosts"),
    ],
)
def test_what_is_none_says_why_and_shows_no_password(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        read_redis_url(url)
    assert "secret" not in str(caught.value)
