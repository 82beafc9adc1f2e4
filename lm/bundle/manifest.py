"""A bundle's manifest: what is in it, how it was made, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lm.errors import BundleDamagedError, BundleError, BundleVersionError
from lm.models.mixture import ContextWeights
from lm.models.recent_words import RecentWords
from lm.models.written_forms import Writing
from lm.text.duplicates import KINDS

FORMAT_VERSION = 6
MANIFEST_FILE = "manifest.json"
_HASHING_THREADS = 4
_READINGS = (0.3, 1.0, 0.6, -2.0, 0.1, 0.7, 2.0, 0.1, 1.0, -3.7)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Section):
    """A file of the bundle."""

    size: int
    sha256: str


class LanguageModelEntry(_Section):
    """A language model, in the folder of its name.

    Attributes:
        sources: what it was trained on, `text` or `queries`, the main one first.
        pretokenized: whether words are separated by spaces alone.
        ngram_smoothing: how the n-gram model's probabilities were made from counts.
        neural_use: of a model that completes queries: whether the neural model proposes queries, or only has its
            opinion of the next token, or is not asked.
        ngram_weight: the n-gram model's share of the mixture, if it is the same in every context.
        context_weights: its share by context; None if that was no better on held-out text.
        recent_words: the cache component; None if it was not asked for, or no better on held-out text.
        writing: how the text is written; None: the words are as the model has them.
        min_ghost_probability: the best word is shown as grey text behind the cursor if it is at least this probable.
    """

    name: str
    unit: str
    sources: tuple[str, ...]
    lowercase: bool
    pretokenized: bool = False
    vocabulary_size: int
    ngram_order: int
    ngram_count: int
    ngram_smoothing: str
    neural_kind: str = ""
    neural_use: Literal["propose", "rank", "off"] = "rank"
    parameter_count: int = 0
    reranker_kind: str = ""
    reranker_parameter_count: int = 0
    ngram_weight: float = 1.0
    context_weights: ContextWeights | None = None
    recent_words: RecentWords | None = None
    writing: Writing | None = None
    min_ghost_probability: float = 0.5


class Ranking(_Section):
    """Weights of the one score by which queries are ranked; see `suggest.rank` for the formula.

    The defaults are typical. Fitting starts from them and stays near them if there are few held-out queries.

    Attributes:
        weights: seven weights, for: the models' log probability of a generated query; their log probability of a query
            in the log; being in the log; log(1 + submissions); the log of the length that is not typed yet, in
            characters, and in tokens; minus the number of unknown words. The weights for probabilities, submissions
            and unknown words are at least 0.
        advisers: for the logs of the shares that the bundle's further language models of queries give; at least 0.
        reranker: for the log of the re-ranker's share; 0: it is not asked.
        recency: for log(1 + recent submissions); at least 0, and 0 if the log has no times.
        readings: for how what was typed is to be read, as it stands or with its errors corrected: nine weights, for the
            log of the share, by the n-gram model and the errors' costs, of what was typed or of all corrections; the
            log of a correction's share of these; log(1 + submissions that begin as typed); being a correction; log(1 +
            submissions that begin so) of a correction; minus its unknown words; minus those that are misspelt; minus
            whether two errors were corrected; and minus whether words were joined or split; then the utility of what is
            no such reading.
        matching: six weights of at least 0, for minus what tells queries that do not begin as it was typed: typed words
            stand in them in another form; they are not the first words; they stand in another order; log(1 + words left
            over); words were joined or split; and the typed words that they lack.
        floor: what is generated or corrected is not shown if its acceptance probability is lower.
        other: for a user who wants a query that is not listed: the constant, the weight of the log of the models'
            probability of all such queries, and the weight of log(1 + submissions of the prefix).
    """

    weights: tuple[float, float, float, float, float, float, float] = (0.9, 0.6, -0.5, 0.75, -0.3, 0.0, 1.0)
    advisers: tuple[float, ...] = ()
    reranker: float = 0.0
    recency: float = 0.0
    readings: tuple[float, float, float, float, float, float, float, float, float, float] = _READINGS
    matching: tuple[float, float, float, float, float, float] = (1.5, 2.5, 1.0, 0.4, 2.0, 1.0)
    other: tuple[float, float, float] = (-1.0, 0.6, 0.5)
    floor: float = 0.0


class Personal(_Section):
    """Weights of what a user did before; see `suggest.personal` for the formula.

    The defaults were fitted on a public log of one day of a search engine (`benchmarks/personal.py`).

    Attributes:
        repeats: six weights, for: being the last query of the session; minus log(1 + place); minus log(1 + hours ago);
            the log of how often; minus whether it holds the typed words otherwise; minus whether it was mistyped. All
            are at least 0.
        refines: four weights, for: being what was typed with a word of the session; letters of that word, up to four;
            its having ended a query; its having stood in the last one.
        other: for a user who wants neither: the constant, and the weight of minus the log of the share of all
            submissions that begin as typed.
    """

    repeats: tuple[float, float, float, float, float, float] = (1.73, 1.44, 0.27, 1.08, 4.37, 2.7)
    refines: tuple[float, float, float, float] = (-3.08, 0.39, 1.29, 0.74)
    other: tuple[float, float] = (1.88, -0.2)


class Duplicates(_Section):
    """Which differences do not make another query; see `lm.text.duplicates`.

    Attributes:
        collapse: of `lm.text.duplicates.KINDS`.
        plural_ratio: how much more popular a form must be to replace its plural or singular; at least 1.
    """

    collapse: tuple[str, ...] = KINDS
    plural_ratio: float = 3.0


class Manifest(_Section):
    """Everything that is known of a bundle before its parts are opened.

    Attributes:
        ranking: the weights that order the list.
        first_ranking: the weights that choose the candidates, before all models are asked about them.
        neural_ranking: the weights that order a list that the neural model proposed for; None: no such model does.
            Its floor counts for nothing: that of `ranking` holds.
        personal: the weights of what a user did before.
        generated: whether generated queries stand among those of log and catalogue (`mix`), after all of them (`fill`),
            or are not suggested (`off`), unless server or request choose.
    """

    format_version: int
    name: str
    version: str
    created_at: datetime
    normalizer_version: int
    language_models: tuple[LanguageModelEntry, ...]
    query_count: int
    duplicates: Duplicates = Duplicates()
    ranking: Ranking
    first_ranking: Ranking = Ranking()
    neural_ranking: Ranking | None = None
    personal: Personal = Personal()
    generated: Literal["off", "fill", "mix"] = "mix"
    metrics: dict[str, Any]
    files: dict[str, FileEntry]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, with the digests of all other files of the bundle, which must be there."""
    files = {
        path.relative_to(folder).as_posix(): FileEntry(size=path.stat().st_size, sha256=sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_FILE
    }
    complete = manifest.model_copy(update={"files": files})
    (folder / MANIFEST_FILE).write_text(complete.model_dump_json(indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a bundle.

    Raises:
        BundleError: there is no bundle there.
        BundleVersionError: it has another format.
        BundleDamagedError: training writes no such manifest.
    """
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(
            f"{folder}: no bundle: there is no {MANIFEST_FILE}.",
            remedy="Name a folder REGISTRY/NAME/VERSION that `autocomplete train` published.",
        ) from None
    except OSError as error:
        raise BundleDamagedError(path, f"cannot be read ({error})") from None
    return parse_manifest(content, path)


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Reads a manifest's text; `path` and errors are as for `read_manifest`."""
    try:
        document = json.loads(content.decode())
    except ValueError as error:
        raise BundleDamagedError(path, f"cannot be read ({error})") from None
    found = document.get("format_version") if isinstance(document, dict) else None
    if found != FORMAT_VERSION:
        raise BundleVersionError(path.parent, "bundle format", expected=FORMAT_VERSION, found=found)
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BundleDamagedError(path, f"field {field}: {first['msg']}") from None


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Checks every file against the manifest, several at a time.

    Raises:
        BundleDamagedError: a file is missing, longer, shorter or other than it was published.
    """

    def verify(name: str) -> None:
        path, entry = folder / name, manifest.files[name]
        if not path.is_file():
            raise BundleDamagedError(path, "is missing from the bundle")
        if path.stat().st_size != entry.size:
            raise BundleDamagedError(path, f"has {path.stat().st_size} bytes, not {entry.size}")
        if sha256(path) != entry.sha256:
            raise BundleDamagedError(path, "is not as it was published: its SHA-256 differs")

    largest_first = sorted(manifest.files, key=lambda name: -manifest.files[name].size)
    with ThreadPoolExecutor(min(_HASHING_THREADS, os.cpu_count() or 1)) as threads:  # hashing releases the GIL
        list(threads.map(verify, largest_first))


def sha256(path: Path) -> str:
    """Lower-case hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
