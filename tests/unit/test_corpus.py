import gzip
import json
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import pyarrow
import pytest
from pyarrow.parquet import write_table

from lm.errors import InputError
from tests.data_config import data_config
from training.config import HeldOut, TextSource
from training.data.corpus import TEXT_KINDS, CorpusCounts, read_paragraphs, write_sentences
from training.data.sources import source_files
from training.progress import SilentReporter

NAMES = ("train.txt", "validation.txt", "test.txt")


def write(
    base: Path, *sources: TextSource, held_out: HeldOut | None = None, seed: int = 0
) -> tuple[CorpusCounts, dict[str, list[str]]]:
    out = base / "out"
    out.mkdir(exist_ok=True)
    config = data_config(text=sources, held_out=held_out or HeldOut(), seed=seed)
    counts = write_sentences(config, base, out, SilentReporter())
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES)
    return counts, {name: (out / name).read_text(encoding="utf-8").split("\n")[:-1] for name in NAMES}


def numbered(base: Path, name: str, numbers: range) -> None:
    (base / name).write_text("".join(f"Sentence {number}.\n" for number in numbers))


def test_all_formats_give_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One. Two.\n\n  \nThree.\n")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as out:
        out.write('{"body": "Four.\\n\\nFive."}\n\n{"body": "", "x": 1}\n{"body": "Six \\ud800."}\n')
    write_table(pyarrow.table({"id": [1, 2, 3], "text": ["Seven.", None, "Eight."]}), tmp_path / "c.parquet")
    sources = (
        TextSource(path="a.txt"),
        TextSource(path="*.jsonl.gz", column="body"),
        TextSource(path="c.parquet"),
    )
    found = {
        path.name: list(read_paragraphs(source, path)) for source, path in source_files(sources, tmp_path, TEXT_KINDS)
    }
    assert found == {
        "a.txt": ["One. Two.", "Three."],
        "b.jsonl.gz": ["Four.", "Five.", "Six ?."],
        "c.parquet": ["Seven.", "Eight."],
    }


def test_lines_of_each_file_can_be_limited(tmp_path: Path) -> None:
    numbered(tmp_path, "a.txt", range(10))
    write_table(pyarrow.table({"text": ["One.", "Two.", "Three."]}), tmp_path / "b.parquet")
    sources = (TextSource(path="a.txt", max_lines=2), TextSource(path="b.parquet", max_lines=1))
    texts = [
        text for source, path in source_files(sources, tmp_path, TEXT_KINDS) for text in read_paragraphs(source, path)
    ]
    assert texts == ["Sentence 0.", "Sentence 1.", "One."]


def test_every_sentence_goes_to_one_part_in_its_order(tmp_path: Path) -> None:
    numbered(tmp_path, "a.txt", range(6000))
    numbered(tmp_path, "b.txt", range(6000, 12000))
    counts, parts = write(tmp_path, TextSource(path="*.txt"))
    assert (counts.files, counts.paragraphs) == (2, 12000)
    assert [counts.train, counts.validation, counts.test] == [len(parts[name]) for name in NAMES]
    numbers = {name: [int(line.split()[1][:-1]) for line in lines] for name, lines in parts.items()}
    assert all(part == sorted(part) for part in numbers.values())
    assert sorted(chain.from_iterable(numbers.values())) == list(range(12000))
    assert counts.validation == counts.test == 450  # 4% of 240 blocks are 9 blocks of 50
    for name in ("validation.txt", "test.txt"):
        assert {number // 50 * 50 for number in numbers[name]} == set(numbers[name][::50])
    assert json.dumps(asdict(counts))


def test_the_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    numbered(tmp_path, "a.txt", range(5000))
    _, first = write(tmp_path, TextSource(path="a.txt"))
    assert write(tmp_path, TextSource(path="a.txt"))[1] == first
    assert write(tmp_path, TextSource(path="a.txt"), seed=1)[1] != first


def test_what_is_above_the_limit_trains(tmp_path: Path) -> None:
    numbered(tmp_path, "a.txt", range(10_000))
    limits = HeldOut(validation_fraction=0.3, test_fraction=0.2, max_sentences=1000)
    counts, _ = write(tmp_path, TextSource(path="a.txt"), held_out=limits)
    assert (counts.train, counts.validation, counts.test) == (8000, 1000, 1000)


@pytest.mark.parametrize("total", [3, 4, 25, 99, 101, 250])
def test_small_texts_fill_all_parts(tmp_path: Path, total: int) -> None:
    numbered(tmp_path, "a.txt", range(total))
    limits = HeldOut(validation_fraction=0.49, test_fraction=0.49)
    counts, _ = write(tmp_path, TextSource(path="a.txt"), held_out=limits)
    assert min(counts.train, counts.validation, counts.test) >= 1
    assert counts.train + counts.validation + counts.test == total


def test_blanks_are_normalised_and_case_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The\u00a0\u200b END  of\tit. \uff21 second.\n\u200b\nThird.\n", encoding="utf-8")
    _, parts = write(tmp_path, TextSource(path="a.txt"))
    assert sorted(chain.from_iterable(parts.values())) == ["A second.", "The END of it.", "Third."]


def test_too_little_text_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One. Two.\n \n")
    with pytest.raises(InputError, match=r"a\.txt: the text holds 2 sentences.* Give more text"):
        write(tmp_path, TextSource(path="a.txt"))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2: not JSON: "),
        ("[" * 100_000, "line 2: not JSON: "),
        ('["text"]', "line 2: not a JSON object"),
        ('{"body": "x"}', "line 2: there is no field `text`; those there are: `body`"),
        ('{"text": 3}', "line 2: `text` is 3, not text"),
    ],
)
def test_bad_json_lines(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(InputError, match=problem) as caught:
        write(tmp_path, TextSource(path="a.jsonl"))
    assert caught.value.line == 2
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_endings_are_found_before_anything_is_read(tmp_path: Path) -> None:
    numbered(tmp_path, "a.txt", range(10))
    (tmp_path / "b.pdf").write_text("x")
    with pytest.raises(InputError, match=r"b\.pdf: the ending"):
        source_files([TextSource(path="[ab].*")], tmp_path, TEXT_KINDS)


def test_files_go_whole_to_the_part_that_they_are_for(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("One. Two.\nThree.\n")
    (tmp_path / "valid.txt").write_text("Four. Five.\n\n")
    (tmp_path / "test.txt").write_text("Six.\n")
    sources = (
        TextSource(path="train.txt", part="train"),
        TextSource(path="valid.txt", part="validation", sentences="lines"),
        TextSource(path="test.txt", part="test"),
    )
    counts, parts = write(tmp_path, *sources)
    assert list(parts.values()) == [["One.", "Two.", "Three."], ["Four. Five."], ["Six."]]
    assert (counts.train, counts.validation, counts.test) == (3, 1, 1)


def test_given_files_join_what_is_held_out_of_others(tmp_path: Path) -> None:
    numbered(tmp_path, "all.txt", range(300))
    (tmp_path / "test.txt").write_text("Given.\n")
    without, _ = write(tmp_path, TextSource(path="all.txt"))
    with_test, parts = write(tmp_path, TextSource(path="all.txt"), TextSource(path="test.txt", part="test"))
    assert with_test.test == without.test + 1
    assert parts["test.txt"][0] == "Given."


def test_a_part_without_a_sentence_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("One.\n")
    with pytest.raises(InputError, match="none is left for validation"):
        write(tmp_path, TextSource(path="train.txt", part="train"))


def test_sentences_with_personal_data_are_dropped_and_counted(tmp_path: Path) -> None:
    numbered(tmp_path, "a.txt", range(300))
    with (tmp_path / "a.txt").open("a") as out:
        out.write("Write to Jane.Doe@example.com. This damn bitch stays.\nCall (212) 555-2368 now.\n")

    counts, parts = write(tmp_path, TextSource(path="a.txt"))

    assert counts.dropped_sentences == {"email": 1, "phone": 1}
    sentences = list(chain(*parts.values()))
    assert len(sentences) == 301
    assert "This damn bitch stays." in sentences
