"""What is found with tags, against looking at every form."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.index.queries import QueryIndex
from lm.index.tags import TagFilter
from training.query_index import index_queries

_TAGS = st.lists(st.sampled_from("abc"), unique=True, max_size=3)
_FORMS = st.lists(st.tuples(st.sampled_from(["", "1", "2"]), _TAGS), max_size=3, unique_by=lambda form: form[0])
_QUERIES = st.dictionaries(
    st.text("xy ", min_size=1, max_size=5).map(lambda text: " ".join(text.split())).filter(bool),
    st.tuples(st.integers(1, 5), _FORMS),
    max_size=40,
)
_WANTED = st.builds(
    lambda every, some: TagFilter(tuple(sorted(every)), tuple(sorted(some))),
    st.sets(st.sampled_from("abcd"), max_size=2),
    st.sets(st.sampled_from("abcd"), max_size=2),
).filter(any)


def _index(folder: Path, queries: dict[str, tuple[int, list[tuple[str, list[str]]]]]) -> QueryIndex:
    texts = sorted(queries)
    forms = [
        [
            {"display": text.upper(), "payload": payload, "share": 1 / len(forms), "tags": tags}
            for payload, tags in forms
        ]
        or None
        for text, (_, forms) in ((text, queries[text]) for text in texts)
    ]
    struct = pyarrow.struct(
        {
            "display": pyarrow.string(),
            "payload": pyarrow.string(),
            "share": pyarrow.float64(),
            "tags": pyarrow.list_(pyarrow.string()),
        }
    )
    columns = {
        "query": pyarrow.array(texts, pyarrow.string()),
        "count": pyarrow.array([float(queries[text][0]) for text in texts], pyarrow.float64()),
        "forms": pyarrow.array(forms, pyarrow.list_(struct)),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "train.parquet")
    (folder / "index").mkdir()
    index_queries(folder / "train.parquet", folder / "index")
    return QueryIndex(folder / "index")


@settings(deadline=None, max_examples=100)
@given(_QUERIES, _WANTED, st.sampled_from(["", "x", "xy", "y"]), st.integers(1, 6))
def test_what_is_found_is_what_has_a_wanted_form(
    queries: dict[str, tuple[int, list[tuple[str, list[str]]]]], wanted: TagFilter, typed: str, k: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        index = _index(Path(name), queries)
        carrying = {text for text, (_, forms) in queries.items() if any(wanted.admits(tags) for _, tags in forms)}
        begins = sorted(
            (text for text in carrying if text.startswith(typed)), key=lambda text: (-queries[text][0], text)
        )
        assert [text for text, _ in index.completions(typed, k, wanted)[0]] == begins[:k]
        every = [match for match in index.word_matches("x", 1000) if match.text in carrying]
        assert index.word_matches("x", k, wanted) == every[:k]
        texts = [*queries, "nowhere"]
        for text, shown in zip(texts, index.shown(texts, wanted), strict=True):
            forms = queries.get(text, (0, []))[1]
            assert {form.payload for form in shown} == {payload for payload, tags in forms if wanted.admits(tags)}
