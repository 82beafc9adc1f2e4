"""The benchmark of matching puts its asks to this project through training and the code of `autocomplete complete`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.matching.asks import read_tables
from benchmarks.matching.ours import ours
from training.progress import SilentReporter

TABLE = """
source = "catalogue"
entries = [["a", 9, "Tea Pot"], ["b", 5, "Tea Cup"], ["c", 2, "Coffee Mill"]]
[asks]
prefixes = [{ typed = "tea", first = "a", also = ["b"] }, { typed = "coff", first = "c" }]
"""


class Spoken(SilentReporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """See `Reporter.say`."""
        self.lines.append(text)


def test_a_table_is_trained_once_and_asked(tmp_path: Path) -> None:
    (tmp_path / "tea.toml").write_text(TABLE, encoding="utf-8")
    reporter = Spoken()
    engine = ours(reporter, tmp_path / "bundles")
    tables = read_tables(tmp_path)
    tea, coffee = engine(tables)[0]
    assert [(item.text, item.id) for item in tea[:2]] == [("Tea Pot", "a"), ("Tea Cup", "b")]
    assert (coffee[0].text, coffee[0].id) == ("Coffee Mill", "c")
    assert engine([table.only({"none"}) for table in tables]) == [[]]
    assert reporter.lines == ["Training tea."]
    (tmp_path / "tea.toml").write_text(TABLE.replace("Coffee", "Pepper"), encoding="utf-8")
    assert engine(read_tables(tmp_path))[0][1] == []
    assert reporter.lines == ["Training tea."] * 2
