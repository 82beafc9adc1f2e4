"""An open bundle: its language models, its query index and its lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lm.bundle.manifest import MANIFEST_FILE, Manifest, read_manifest, sha256
from lm.bundle.verified import VerifiedBundles
from lm.errors import BundleDamagedError, BundleVersionError, UnsupportedError
from lm.index.existing_words import open_existing_words
from lm.index.lexicon import Lexicon
from lm.index.never_generated import NEVER_GENERATED_FOLDER, NeverGenerated, open_never_generated
from lm.index.queries import QueryIndex
from lm.index.warm_set import open_warm_set
from lm.kernels.word_walk import WordWalk
from lm.models.language_model import LanguageModel
from lm.text.normalize import NORMALIZER_VERSION

QUERIES_FOLDER = "queries_index"
LEXICON_FOLDER = "lexicon"
WORDS_FOLDER = "existing_words"
EVALUATION_FOLDER = "evaluation"
HELD_OUT_FOLDER = "held_out"
OWN_FOLDERS = frozenset(
    (QUERIES_FOLDER, LEXICON_FOLDER, WORDS_FOLDER, EVALUATION_FOLDER, HELD_OUT_FOLDER, NEVER_GENERATED_FOLDER)
)
"""What a bundle has beside its language models."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds. Its files are mapped into memory, not read.

    Attributes:
        queries: the query index, or None.
        lexicon: the words of the queries, or None.
        never_generated: what models may put together and must not be shown.
        words: those that generated queries are made of, as tokens of the model that generates them, or None.
        warm_set: the beginnings of queries that are typed most, the most frequent first.
    """

    manifest: Manifest
    manifest_sha256: str
    language_models: tuple[LanguageModel, ...]
    queries: QueryIndex | None
    lexicon: Lexicon | None
    never_generated: NeverGenerated
    words: WordWalk | None = None
    warm_set: tuple[str, ...] = ()

    def advisers(self) -> tuple[LanguageModel, ...]:
        """The language models that were trained mainly on queries, except the first, which generates them."""
        trained_on_queries = [model for model in self.language_models if model.entry.sources[0] == "queries"]
        return tuple(trained_on_queries[1:])

    def language_model(self, source: str) -> LanguageModel:
        """The first language model that was trained mainly on `queries` or on `text`; else another one.

        Raises:
            UnsupportedError: the bundle has no language model.
        """
        if not self.language_models:
            raise UnsupportedError("The bundle has no language model.", remedy="Train one.")
        return main_model(self.language_models, source)


def main_model(models: Sequence[LanguageModel], source: str) -> LanguageModel:
    """The first of some language models that was trained mainly on a source; else one that read it, or any."""
    mainly = [model for model in models if model.entry.sources[0] == source]
    return [*mainly, *(model for model in models if source in model.entry.sources), *models][0]


def open_bundle(folder: Path, *, verify: bool = True, verified: VerifiedBundles | None = None) -> Bundle:
    """Opens a bundle.

    Args:
        folder: `REGISTRY/NAME/VERSION`.
        verify: compare every file with the manifest first.
        verified: bundles that need no second check; None: every bundle is checked.

    Raises:
        BundleError: it is missing, damaged or of another format version.
    """
    manifest = read_manifest(folder)
    if manifest.normalizer_version != NORMALIZER_VERSION:
        found = manifest.normalizer_version
        raise BundleVersionError(folder, "text normaliser", expected=NORMALIZER_VERSION, found=found)
    if verify:
        (verified or VerifiedBundles(None)).verify(folder, manifest)
    models = tuple(LanguageModel(entry, folder / entry.name) for entry in manifest.language_models)
    queries = QueryIndex(folder / QUERIES_FOLDER) if (folder / QUERIES_FOLDER).is_dir() else None
    lexicon = Lexicon(folder / LEXICON_FOLDER) if (folder / LEXICON_FOLDER).is_dir() else None
    never_generated = open_never_generated(folder / NEVER_GENERATED_FOLDER)
    bundle = Bundle(
        manifest=manifest,
        manifest_sha256=sha256(folder / MANIFEST_FILE),
        language_models=models,
        queries=queries,
        lexicon=lexicon,
        never_generated=never_generated,
        words=_open_words(folder / WORDS_FOLDER, models),
        warm_set=open_warm_set(folder),
    )
    advisers = len(bundle.advisers())
    for ranking in filter(None, (manifest.ranking, manifest.neural_ranking)):
        if (weights := len(ranking.advisers)) not in (0, advisers):
            problem = f"has weights of {weights} advisers, but {advisers} are there"
            raise BundleDamagedError(folder / MANIFEST_FILE, problem)
    return bundle


def _open_words(folder: Path, models: Sequence[LanguageModel]) -> WordWalk | None:
    there = models and folder.is_dir()
    return open_existing_words(folder, main_model(models, "queries").vocabulary) if there else None
