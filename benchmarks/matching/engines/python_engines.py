"""Rivals that have Python packages, and SQLite. A program of its own: `python_engines.py NAME`, see `rivals.py`.

It imports nothing of this project, so that a rival's dependencies meet none of ours.
"""

import importlib
import sqlite3
import sys
from collections.abc import Callable

Entries = list[tuple[str, int, str]]
"""Id, weight and text of each."""
Look = Callable[[str], list[str]]
"""The ids for a typed text, best first."""
K = 10


def completype(entries: Entries) -> Look:
    """As its README does it, with weights as popularity in [0, 1]."""
    library = importlib.import_module("completype")
    most = max(weight for _, weight, _ in entries)
    documents = [{"id": key, "text": text, "popularity": weight / most} for key, weight, text in entries]
    index = library.Index.from_documents(documents)
    return lambda typed: [str(found.id) for found in index.complete(typed, limit=K)]


def tantivy(entries: Entries) -> Look:
    """All words in any order, the last one as a prefix; folded to ASCII; heaviest first."""
    library = importlib.import_module("tantivy")
    schema = library.SchemaBuilder().add_text_field("text", tokenizer_name="folded")
    schema = schema.add_text_field("id", stored=True, tokenizer_name="raw").add_integer_field("weight", fast=True)
    schema = schema.build()
    index = library.Index(schema)
    tokenizer = library.TextAnalyzerBuilder(library.Tokenizer.simple())
    tokenizer = tokenizer.filter(library.Filter.lowercase()).filter(library.Filter.ascii_fold()).build()
    index.register_tokenizer("folded", tokenizer)
    writer = index.writer(15_000_000, 1)
    for key, weight, text in entries:
        writer.add_document(library.Document(id=key, weight=weight, text=text))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def look(typed: str) -> list[str]:
        words = tokenizer.analyze(typed)
        if not words:
            return []
        parts = [library.Query.term_query(schema, "text", word) for word in words[:-1]]
        parts.append(library.Query.fuzzy_term_query(schema, "text", words[-1], distance=0, prefix=True))
        query = library.Query.boolean_query([(library.Occur.Must, part) for part in parts])
        hits = searcher.search(query, K, order_by_field="weight").hits
        return [searcher.doc(address)["id"][0] for _, address in hits]

    return look


def fast_autocomplete(entries: Entries) -> Look:
    """As its README does it: keys in lower case, counts, up to 3 typing errors."""
    library = importlib.import_module("fast_autocomplete")
    ids = dict[str, list[str]]()
    for key, _, text in sorted(entries, key=lambda entry: -entry[1]):
        ids.setdefault(text.lower(), []).append(key)
    counts = {text.lower(): {"count": weight} for _, weight, text in sorted(entries, key=lambda entry: entry[1])}
    engine = library.AutoComplete(words=counts)

    def look(typed: str) -> list[str]:
        found = engine.search(word=typed, max_cost=3, size=K)
        return [key for words in found for key in ids.get(" ".join(words), ())]

    return look


def sqlite(entries: Entries) -> Look:
    """FTS5 without diacritics: all words in any order, the last one as a prefix; heaviest first."""
    table = sqlite3.connect(":memory:")
    tokenize = "tokenize = 'unicode61 remove_diacritics 2'"
    table.execute(f"CREATE VIRTUAL TABLE t USING fts5(id UNINDEXED, weight UNINDEXED, text, {tokenize})")
    table.executemany("INSERT INTO t VALUES (?, ?, ?)", entries)

    def look(typed: str) -> list[str]:
        words = ['"' + word.replace('"', '""') + '"' for word in typed.split()]
        match = f"SELECT id FROM t WHERE t MATCH ? ORDER BY CAST(weight AS INTEGER) DESC LIMIT {K}"
        return [key for (key,) in table.execute(match, [" ".join(words) + "*"])] if words else []

    return look


def main() -> None:
    """Answers each `ask` of the standard input with a line of ids, for the entries since the last `table`."""
    make = globals()[sys.argv[1]]
    entries, look = Entries(), None
    for line in sys.stdin:
        verb, *fields = line.rstrip("\n").split("\t")
        if verb == "table":
            entries, look = [], None
        elif verb == "entry":
            entries.append((fields[0], int(fields[1]), fields[2]))
        else:
            look = look or make(entries)
            print("\t".join(look(fields[0])))


if __name__ == "__main__":
    main()
