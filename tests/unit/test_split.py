from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm.errors import BundleDamagedError, ConfigError
from service.config import load_settings
from service.models.split import SplitVersion, choose, first_of, shares_now
from service.shares import read_split
from tests.service_twins import TwinModel

_USERS = [f"user-{number}" for number in range(20_000)]


def version(name: str, percent: float, *, answers: bool = True) -> SplitVersion:
    if answers:
        return SplitVersion(version=name, percent=percent, model=TwinModel("m", version=name))
    return SplitVersion(version=name, percent=percent, error=BundleDamagedError(Path(name), "no"))


def assigned(*versions: SplitVersion, model: str = "m", users: list[str] = _USERS) -> dict[str, str]:
    found = {user: choose(versions, model, user) for user in users}
    return {user: model.version for user, model in found.items() if model is not None}


def test_what_the_flag_says() -> None:
    settings = load_settings({"split": "shop@1=90, shop@2=9.5,shop@3=0.5,news@7=100"}, None)
    assert [
        (name, [(s.version, s.percent) for s in shares]) for name, shares in read_split(settings.split).items()
    ] == [
        ("shop", [("1", 90), ("2", 9.5), ("3", 0.5)]),
        ("news", [("7", 100)]),
    ]


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("shop", "'shop' is not MODEL@VERSION=PERCENT"),
        ("shop@1", "is not MODEL@VERSION=PERCENT"),
        ("shop@1=x", "is not MODEL@VERSION=PERCENT"),
        ("shop@1=-5,shop@2=105", "is not MODEL@VERSION=PERCENT"),
        ("Shop@1=100", "is not MODEL@VERSION=PERCENT"),
        ("shop@1=0,shop@2=100", "above 0 and at most 100"),
        ("shop@1=101", "above 0 and at most 100"),
        ("shop@1=50,shop@1=50", "shop@1 is there twice"),
        ("shop@1=90,shop@2=9", "the shares of 'shop' add up to 99, not to 100"),
        ("shop@1=100,news@1=50", "the shares of 'news' add up to 50"),
    ],
)
def test_a_wrong_flag_is_named(split: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"--split: ") as raised:
        load_settings({"split": split}, None)
    assert said in str(raised.value)


def test_each_version_has_its_share_of_the_users() -> None:
    shares = {"1": 0.9, "2": 0.07, "3": 0.03}
    found = Counter(assigned(*(version(name, 100 * share) for name, share in shares.items())).values())
    for name, share in shares.items():
        error = math.sqrt(share * (1 - share) / len(_USERS))
        assert abs(found[name] / len(_USERS) - share) < 4 * error


def test_only_those_move_who_have_to() -> None:
    one, two, three = version("1", 50), version("2", 30), version("3", 20)
    before = assigned(one, two, three)
    without = assigned(one, version("2", 30, answers=False), three)
    assert all(without[user] == had for user, had in before.items() if had != "2")
    moved = Counter(without[user] for user, had in before.items() if had == "2")
    assert moved["1"] / (moved["1"] + moved["3"]) == pytest.approx(5 / 7, abs=0.03)
    raised = assigned(version("1", 50), version("2", 40), version("3", 10))
    assert all(raised[user] in (had, "2") for user, had in before.items() if had != "3")


def test_experiments_of_two_models_are_independent() -> None:
    halves = version("1", 50), version("2", 50)
    one, other = assigned(*halves, model="m"), assigned(*halves, model="n")
    alike = sum(one[user] == other[user] for user in _USERS)
    assert alike / len(_USERS) == pytest.approx(0.5, abs=0.02)


@given(user=st.text(), order=st.permutations(["1", "2", "3"]))
def test_order_does_not_count_and_any_text_is_a_user(user: str, order: list[str]) -> None:
    shares = {"1": 20.0, "2": 30.0, "3": 50.0}
    chosen = [choose([version(name, shares[name]) for name in each], "m", user) for each in (order, sorted(order))]
    assert chosen[0] is not None
    assert chosen[1] is not None
    assert chosen[0].version == chosen[1].version


def test_the_first_and_what_each_answers_now() -> None:
    versions = version("1", 60, answers=False), version("2", 30), version("3", 10)
    first = first_of(versions)
    assert first is not None
    assert first.version == "2"
    assert shares_now(versions) == pytest.approx({"1": 0, "2": 0.75, "3": 0.25})
    assert (first_of(versions[:1]), choose(versions[:1], "m", "u"), shares_now(versions[:1])) == (None, None, {"1": 0})
