"""A manifest says of every file whether it is as it was published."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lm.bundle.bundle import open_bundle
from lm.bundle.manifest import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    LanguageModelEntry,
    Manifest,
    Ranking,
    read_manifest,
    verify_files,
    write_manifest,
)
from lm.errors import BundleDamagedError, BundleError, BundleVersionError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "tokens.blob.npy").write_bytes(bytes(range(256)))
    (tmp_path / "counts.npy").write_bytes(b"counts")
    entry = LanguageModelEntry(
        name="words",
        unit="word",
        sources=("text",),
        lowercase=True,
        vocabulary_size=100,
        ngram_order=3,
        ngram_count=1000,
        ngram_smoothing="kneser_ney",
    )
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name="search",
        version="20260101",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        normalizer_version=1,
        language_models=(entry,),
        query_count=7,
        ranking=Ranking(),
        metrics={"perplexity": 12.5},
        files={},
    )
    write_manifest(tmp_path, manifest)
    return tmp_path


def _change(bundle: Path, **fields: Any) -> None:
    path = bundle / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_whole_bundle_passes(bundle: Path) -> None:
    manifest = read_manifest(bundle)

    assert sorted(manifest.files) == ["counts.npy", "words/tokens.blob.npy"]
    assert manifest.language_models[0].name == "words"
    assert manifest.metrics == {"perplexity": 12.5}
    verify_files(bundle, manifest)


def test_one_changed_byte_is_found(bundle: Path) -> None:
    path = bundle / "words" / "tokens.blob.npy"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)

    with pytest.raises(BundleDamagedError, match="SHA-256 differs") as caught:
        verify_files(bundle, read_manifest(bundle))

    assert caught.value.path == path


def test_a_cut_file_is_found(bundle: Path) -> None:
    (bundle / "counts.npy").write_bytes(b"coun")

    with pytest.raises(BundleDamagedError, match="has 4 bytes, not 6"):
        verify_files(bundle, read_manifest(bundle))


def test_a_missing_file_is_found(bundle: Path) -> None:
    (bundle / "counts.npy").unlink()

    with pytest.raises(BundleDamagedError, match=r"counts\.npy: is missing"):
        verify_files(bundle, read_manifest(bundle))


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, "1", None])
def test_another_format_is_not_damage(bundle: Path, version: object) -> None:
    _change(bundle, format_version=version)

    with pytest.raises(BundleVersionError) as caught:
        read_manifest(bundle)

    assert (caught.value.expected, caught.value.found) == (FORMAT_VERSION, version)


def test_texts_normalised_by_another_release_are_no_damage(bundle: Path) -> None:
    _change(bundle, normalizer_version=1)

    with pytest.raises(BundleVersionError, match="text normaliser 1 cannot be read") as caught:
        open_bundle(bundle)

    assert caught.value.remedy.startswith("Train it again")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"format_version": 1'])
def test_what_is_not_json_is_damage(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST_FILE).write_bytes(content)

    with pytest.raises(BundleDamagedError, match=r"manifest\.json: cannot be read"):
        read_manifest(bundle)


def test_a_list_is_no_manifest(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).write_text("[]")

    with pytest.raises(BundleVersionError):
        read_manifest(bundle)


@pytest.mark.parametrize(("fields", "named"), [({"query_count": "many"}, "query_count"), ({"colour": "red"}, "colour")])
def test_a_wrong_field_is_named(bundle: Path, fields: dict[str, object], named: str) -> None:
    _change(bundle, **fields)

    with pytest.raises(BundleDamagedError, match=f"field {named}"):
        read_manifest(bundle)


@pytest.mark.parametrize("name", ["nowhere", "counts.npy"])
def test_where_no_bundle_is_says_so(bundle: Path, name: str) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        read_manifest(bundle / name)
