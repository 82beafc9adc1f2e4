import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pyarrow
import pytest
from pyarrow.parquet import read_table

from lm.errors import InputError
from tests.data_config import KEEP_ALL, count_log
from training.config import HeldOut, Screening
from training.config_log import Counting, QueryLogSource
from training.data.query_log import QueryCounts

OUTPUTS = {"train.parquet", "train_lm.txt", "validation.txt", "test.txt", "withheld.parquet", "histories.parquet"}


class Written:
    """What `write_queries` left in its folder."""

    def __init__(self, folder: Path, counts: QueryCounts) -> None:
        assert {path.name for path in folder.iterdir()} == OUTPUTS
        self.counts = counts
        self.bytes = {name: (folder / name).read_bytes() for name in sorted(OUTPUTS)}
        self.table: dict[str, list[Any]] = read_table(folder / "train.parquet").to_pydict()
        self.train = dict(zip(self.table["query"], self.table["count"], strict=True))
        self.train_lm, self.validation, self.test = (
            (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]
            for name in ("train_lm", "validation", "test")
        )


def write(base: Path, *sources: QueryLogSource, screening: Screening = KEEP_ALL, **settings: Any) -> Written:
    return Written(base / "out", count_log(base, base / "out", *sources, screening=screening, **settings))


def log(base: Path, name: str, lines: list[str]) -> QueryLogSource:
    (base / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return QueryLogSource(path=name)


def numbered(total: int) -> list[str]:
    return [f"query number {number}" for number in range(total)]


def test_every_row_goes_to_one_part(tmp_path: Path) -> None:
    source = log(tmp_path, "log.txt", numbered(500) + ["New  York"] * 300 + ["new york"] * 200)
    written = write(tmp_path, source)
    assert (written.counts.rows, written.counts.validation, written.counts.test) == (1000, 40, 40)
    everything = written.train_lm + written.validation + written.test
    assert sorted(everything) == sorted(numbered(500) + ["new york"] * 500)
    assert sorted(written.train_lm) == sorted(
        query for query, count in written.train.items() for _ in range(round(count))
    )
    assert written.counts.train_queries == len(written.train)
    assert written.counts.train_submissions == len(written.train_lm) == 920
    assert json.dumps(asdict(written.counts))


def test_queries_stand_in_byte_order_and_text_is_shuffled(tmp_path: Path) -> None:
    queries = [
        "éclair",
        "zebra",
        "apple pie",
        "apple",
        "한국어",
        "\U0001d54f\U00010400x",
        "\uff46ull width",
        "ﬀ ligature",
    ] * 20
    written = write(tmp_path, log(tmp_path, "log.txt", queries))
    assert written.table["query"] == sorted(written.table["query"], key=str.encode)
    assert written.train_lm != sorted(written.train_lm)
    assert read_table(tmp_path / "out" / "train.parquet").schema.field("count").type == pyarrow.float64()


def test_equal_input_and_seed_give_equal_bytes(tmp_path: Path) -> None:
    first = write(tmp_path, log(tmp_path, "log.txt", numbered(2000)))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    assert write(moved, log(moved, "log.txt", numbered(2000))).bytes == first.bytes
    other = write(tmp_path, QueryLogSource(path="log.txt"), seed=1)
    assert set(other.test) != set(first.test)


def test_a_log_that_grows_moves_no_row_between_held_out_parts(tmp_path: Path) -> None:
    first = write(tmp_path, log(tmp_path, "log.txt", numbered(1000)))
    second = write(tmp_path, log(tmp_path, "log.txt", numbered(2000)))
    assert not set(first.validation) & set(second.test)
    assert not set(first.test) & set(second.validation)
    assert len(set(first.test) & set(second.test)) > len(first.test) // 2


def test_late_rows_are_held_out_where_the_log_has_times(tmp_path: Path) -> None:
    source = QueryLogSource(path="log.tsv", time_column="time")
    rows = [f"query number {number}\t{1_700_000_000 + 3600 * number}" for number in range(2400)]  # 100 days
    log(tmp_path, "log.tsv", ["query\ttime", *rows])
    late = {f"query number {number}" for number in range(2400 - 1200, 2400)}
    written = write(tmp_path, source, counting=Counting(recent_half_life_days=25))
    assert set(written.validation + written.test) <= late
    assert written.counts.first_time == "2023-11-14T22:13:20+00:00"
    assert written.counts.last_time == "2024-02-22T21:13:20+00:00"
    assert (len(written.validation), len(written.test)) == (96, 96)  # 4% of all rows
    assert len(set(written.validation + written.test)) == 192
    # of a tenth of the late rows at most, and not of late ones where these are few
    many = HeldOut(validation_fraction=0.4, test_fraction=0.4)
    assert write(tmp_path, source, counting=Counting(recent_half_life_days=25), held_out=many).counts.test == 120
    of_all = [write(tmp_path, source, counting=Counting(recent_half_life_days=days)) for days in (7, None, 60)]
    assert len({tuple(each.validation + each.test) for each in of_all}) == 1
    assert not set(of_all[0].validation) <= late
    assert of_all[1].table.keys() == {"query", "count", "display"}


def test_what_is_above_the_limit_trains(tmp_path: Path) -> None:
    limits = HeldOut(validation_fraction=0.3, test_fraction=0.3, max_queries=10)
    written = write(tmp_path, log(tmp_path, "log.txt", numbered(1000)), held_out=limits)
    assert (len(written.validation), len(written.test), len(written.train)) == (10, 10, 980)


def test_txt_lines_are_raw(tmp_path: Path) -> None:
    lines = ['say "hi', "a,b;c", "tab\there", "it's 'so'", "back\\slash n"] * 4
    written = write(tmp_path, log(tmp_path, "log.txt", lines))
    assert set(written.train) == {'say "hi', "a,b;c", "tab here", "it's 'so'", "back\\slash n"}


def test_rare_queries_are_kept_from_training_but_measured(tmp_path: Path) -> None:
    rows = numbered(300) + [f"common {number % 5}" for number in range(200)]
    written = write(tmp_path, log(tmp_path, "log.txt", rows), screening=Screening(min_count=2))
    assert set(written.train) == {f"common {number}" for number in range(5)}
    assert any(query.startswith("query number") for query in written.validation + written.test)
    assert written.counts.rare_queries == 300 - sum(
        query.startswith("query number") for query in written.validation + written.test
    )


def test_users_count_once_each(tmp_path: Path) -> None:
    rows = ["user\tquery"]
    rows += [f"u{number}\tmany users" for number in range(50)]
    rows += ["one\tone user"] * 50 + ["\tno user"] * 50 + [f"u{number % 2}\ttwo users" for number in range(50)]
    log(tmp_path, "log.tsv", rows)
    source = QueryLogSource(path="log.tsv", user_column="user")
    written = write(tmp_path, source, screening=Screening(min_users=3))
    assert set(written.train) == {"many users"}
    assert set(write(tmp_path, source, screening=Screening(min_users=2)).train) == {"many users", "two users"}
    assert written.counts.rare_queries == 3


def test_logs_with_and_without_users_add_up(tmp_path: Path) -> None:
    plain = log(tmp_path, "plain.txt", ["shared query"] * 30 + ["seen once"] + numbered(30))
    rows = [f"u{number}\tshared query" for number in range(30)] + ["u1\tseen once"]
    log(tmp_path, "users.tsv", ["user\tquery", *rows])
    limits = HeldOut(max_queries=10, validation_fraction=0.01, test_fraction=0.01)
    users = QueryLogSource(path="users.tsv", user_column="user")
    written = write(tmp_path, plain, users, screening=Screening(), held_out=limits)
    held = written.validation + written.test
    assert written.train == {"shared query": 60 - held.count("shared query")}


def test_a_count_stands_for_that_many_submissions(tmp_path: Path) -> None:
    rows = [f"query number {number}\t{number}" for number in range(100)]
    log(tmp_path, "log.tsv", ["query\ttimes", *rows])
    written = write(tmp_path, QueryLogSource(path="log.tsv", count_column="times"))
    assert written.counts.submissions == sum(range(100))
    assert written.counts.dropped_rows == {"never_submitted": 1}
    assert len(written.validation) == len(written.test) == int(0.04 * sum(range(100)))
    held = Counter(written.validation + written.test)
    for number in range(1, 100):
        query = f"query number {number}"
        assert written.train.get(query, 0) == number - held[query]
        assert abs(held[query] - 0.08 * number) < 2
    assert len(written.train) >= 98  # only of the one that was submitted once may nothing be left
    assert Counter(written.train_lm) == written.train


def test_a_query_that_was_submitted_twice_stays_in_the_index(tmp_path: Path) -> None:
    rows = [f"query number {number}\t2" for number in range(500)] + ["rain coat\t3000"]
    log(tmp_path, "log.tsv", ["query\ttimes", *rows])
    source = QueryLogSource(path="log.tsv", count_column="times")
    written = write(tmp_path, source, screening=Screening())
    assert len(written.train) == 501
    assert written.train["rain coat"] == 3000 - written.validation.count("rain coat") - written.test.count("rain coat")
    assert 110 <= written.validation.count("rain coat") <= 130  # 4%
    assert set(written.train.values()) - {written.train["rain coat"]} <= {1.0, 2.0}


def test_neither_order_nor_files_nor_rows_change_what_is_held_out(tmp_path: Path) -> None:
    queries = [*numbered(300), *(f"common {number % 7}" for number in range(400))]
    first = write(tmp_path, log(tmp_path, "log.txt", queries))
    shuffled = Random(0).sample(queries, len(queries))
    parts = [log(tmp_path, name, shuffled[start::2]) for start, name in enumerate(("b.txt", "a.txt"))]
    assert write(tmp_path, *parts).bytes == first.bytes
    counted = [f"{query}\t{times}" for query, times in Counter(shuffled).items()]
    log(tmp_path, "log.tsv", ["query\ttimes", *counted])
    assert write(tmp_path, QueryLogSource(path="log.tsv", count_column="times")).bytes == first.bytes


def test_the_latest_submissions_of_a_query_are_held_out(tmp_path: Path) -> None:
    rows = [f"query number {number % 50}\t{1_700_000_000 + 60 * number}\tu{number}" for number in range(500)]
    log(tmp_path, "log.tsv", ["query\ttime\tuser", *Random(0).sample(rows, len(rows))])
    source = QueryLogSource(path="log.tsv", time_column="time", user_column="user")
    # of a submission one minute ago a millionth counts more than of all before
    counting = Counting(half_life_days=1 / 1440 / 20)
    written = write(tmp_path, source, counting=counting)
    held = Counter(written.validation + written.test)
    assert max(held.values()) == 1
    for number in range(50):
        query = f"query number {number}"
        newest = -60 * (49 - number) - 3000 * held[query]
        assert written.train[query] == pytest.approx(max(0.5 ** (-newest / 3), 1e-6), rel=0.01, abs=1.1e-5)


def test_a_huge_count_makes_few_lines(tmp_path: Path) -> None:
    rows = [f"query number {number}\t{1 + number % 4}" for number in range(2000)]
    source = QueryLogSource(path="log.tsv", count_column="times")
    log(tmp_path, "log.tsv", ["query\ttimes", *rows])
    without = write(tmp_path, source)
    log(tmp_path, "log.tsv", ["query\ttimes", *rows, "home page\t1000000000"])
    written = write(tmp_path, source)
    held = 0
    for part in (written.validation, written.test):  # it does not fill what tunes and measures
        assert 150 <= part.count("home page") <= 220
        assert len(set(part)) > 150
        held += part.count("home page")
    assert written.train["home page"] == 10**9 - held
    assert {f"query number {number}" for number in range(2000) if number % 4} <= set(written.train)
    lines = Counter(written.train_lm)
    assert set(lines) == set(written.train)
    assert len(written.train_lm) <= 50 * 2001
    assert lines["home page"] > 20_000
    assert {lines[query] for query in lines if query != "home page"} == {1, 2}
    assert len(without.train_lm) == sum(without.train.values())  # ordinary counts are lines


def test_what_is_dropped_is_counted_by_reason(tmp_path: Path) -> None:
    dropped = ["", "  ", "a", "x" * 101, "jane@example.com", "4111 1111 1111 1111", "free porn", "acme"]
    (tmp_path / "words.txt").write_text("acme\n")
    written = write(
        tmp_path,
        log(tmp_path, "log.txt", numbered(100) + dropped),
        screening=Screening(min_count=1, blocked_words="words.txt"),
    )
    assert written.counts.dropped_rows == {
        "blocked_word": 2,
        "email": 1,
        "empty": 2,
        "payment_card": 1,
        "too_long": 1,
        "too_short": 1,
    }
    assert not set(dropped) & set(written.train_lm + written.validation + written.test)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "query,n\none,-3\n", "line 2: the count -3 is negative"),
        ("a.csv", "query,n\none,\n", "line 2: the count '' is no whole number"),
        ("a.csv", "query,n\none,9999999999\n", "line 2: the count 9999999999 is above"),
        ("a.csv", "search,n\none,3\n", "no column `query`; those there are: `search`, `n`"),
        ("a.csv", "query,n\none,3,4\n", "line 2: 3 fields, but the header has 2"),
        ("a.csv", 'query,n\none,3\n"two,3\n', "line 3: no proper CSV"),
        ("a.csv", 'query,n\n"a" b,3\n', "line 2: no proper CSV"),
        ("a.tsv", "query\tn\none\n", "line 2: 1 fields, but the header has 2"),
        ("a.tsv", "query\tn\tt\none\t1\t0001-01-01T00:00:00+14:00\n", "line 2: the time .* cannot be read"),
        ("a.txt", "one\n", "a `.txt` log has no columns"),
        ("a.log", "one\n", "the ending does not say"),
    ],
)
def test_bad_rows_name_their_line_and_leave_nothing(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)
    time_column = "t" if "\tt\n" in text else None
    source = QueryLogSource(path=name, count_column="n", time_column=time_column)
    with pytest.raises(InputError, match=problem) as caught:
        write(tmp_path, source)
    assert caught.value.remedy
    assert list((tmp_path / "out").iterdir()) == []


def test_a_log_of_nothing_but_dropped_queries(tmp_path: Path) -> None:
    source = log(tmp_path, "log.txt", ["a", "b", "jane@example.com"])
    problem = r"too few queries are left .*of 3 rows, .*: 2 too_short, 1 email.*min_length"
    with pytest.raises(InputError, match=problem):
        write(tmp_path, source)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_log_without_repeats_says_which_threshold_to_lower(tmp_path: Path) -> None:
    source = log(tmp_path, "log.txt", numbered(100))
    with pytest.raises(InputError, match=r"no query passes the thresholds: 92 distinct .*min_count"):
        write(tmp_path, source, screening=Screening())
    assert list((tmp_path / "out").iterdir()) == []


def test_models_learn_a_query_as_often_as_it_was_submitted_from_the_threshold_on(tmp_path: Path) -> None:
    rows = ["alone\ta"] * 5
    rows += [f"just three\t{user}" for user in "abc"]
    rows += [f"many\t{user}" for user in "abcdefg"]
    (tmp_path / "log.tsv").write_text("query\tuser\n" + "\n".join(rows * 10) + "\n")
    source = QueryLogSource(path="log.tsv", user_column="user")
    counting = Counting(half_typed_seconds=0)
    written = write(
        tmp_path, source, screening=Screening(min_users=3), counting=counting, held_out=HeldOut(max_queries=10)
    )
    assert "alone" not in written.train
    for query in ("just three", "many"):
        assert written.train_lm.count(query) == written.train[query] - 2


def test_what_users_submitted_is_kept_in_their_order(tmp_path: Path) -> None:
    rows = ["user\ttime\tquery"]
    rows += [
        f"{user}\t2026-01-01T10:0{minute}:00Z\t{query}"
        for minute, user, query in [
            (3, "ann", "shoes"),
            (1, "ann", "hats"),
            (2, "bob", "hats"),
            (4, "ann", "shoes"),
            (5, "", "nobody"),
        ]
    ]
    source = log(tmp_path, "log.tsv", rows).model_copy(update={"time_column": "time", "user_column": "user"})
    write(tmp_path, source)
    histories = read_table(tmp_path / "out" / "histories.parquet").to_pydict()
    by_user: dict[int, list[str]] = {}
    for user, query in zip(histories["user"], histories["query"], strict=True):
        by_user.setdefault(user, []).append(query)
    assert sorted(by_user.values()) == [["hats"], ["hats", "shoes", "shoes"]]


def test_a_log_without_users_or_times_tells_of_nobody(tmp_path: Path) -> None:
    write(tmp_path, log(tmp_path, "log.txt", numbered(20)))
    assert read_table(tmp_path / "out" / "histories.parquet").num_rows == 0
