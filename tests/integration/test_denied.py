"""What is denied comes out of no method: n-gram bundles trained on logs that are full of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow.parquet import write_table

from lm.bundle.bundle import EVALUATION_FOLDER, open_bundle
from lm.bundle.manifest import read_manifest, write_manifest
from lm.errors import InputError
from lm.index.blocked_words import BlockedWords
from lm.index.never_generated import (
    NEVER_GENERATED_FOLDER,
    NeverGenerated,
    Withheld,
    build_withheld,
    hash_query,
)
from suggest.generate import generate_text
from suggest.model import Model, open_model
from suggest.types import GenerationOptions, QueryOptions, WordOptions
from training.config import TrainingConfig
from training.data.query_log import WITHHELD_FILE
from training.evaluation.evaluate import held_out
from training.pipeline import train
from training.progress import SilentReporter
from training.steps import DONE_FILE, sums

_LOG = ["new york weather", "new york times", "new delhi weather", "new delhi times", "old york map", "acme shoes"]
_SENTENCES = ["The red tape is long.", "The red car is fast.", "The red fox is shy.", "A quick bitch runs home."]


def _config(**screening: object) -> TrainingConfig:
    model = {"vocabulary_size": 200, "ngram": {"order": 3, "discount_fallback": True}}
    return TrainingConfig.model_validate(
        {
            "name": "denied",
            "work": "work",
            "text": [{"path": "text.txt"}],
            "query_log": [{"path": "log.txt"}],
            "screening": {"min_count": 1, **screening},
            "held_out": {"max_queries": 10, "max_sentences": 10},
            "publishing": {"registry": "registry"},
            "language_models": [
                {"name": "queries", "unit": "subword", "sources": ["queries"], **model, "vocabulary_size": 64},
                {"name": "text", "unit": "word", "sources": ["text"], **model},
            ],
        }
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("denied")
    (folder / "log.txt").write_text("".join(query + "\n" for query in _LOG * 40))
    (folder / "text.txt").write_text("".join(sentence + "\n" for sentence in _SENTENCES * 60))
    (folder / "ours.txt").write_text("acme\nred tape\n")
    return train(_config(blocked_words="ours.txt"), base=folder, reporter=SilentReporter()).path


@pytest.fixture(scope="module")
def model(bundle: Path) -> Model:
    return open_model(bundle)


def test_the_bundle_says_which_words_are_blocked(bundle: Path) -> None:
    words = (bundle / NEVER_GENERATED_FOLDER / "blocked_words.txt").read_text(encoding="utf-8").splitlines()
    assert {"acme", "red tape", "bitch"} <= set(words)
    assert any(name.startswith(NEVER_GENERATED_FOLDER) for name in read_manifest(bundle).files)


def test_next_words_leave_out_blocked_words_and_ends_of_phrases(model: Model) -> None:
    def words(text: str) -> set[str]:
        return {word.text for word in model.predict_next_word(text, WordOptions(max_suggestions=20)).suggestions}

    assert "bitch" not in words("a quick ") | words("a quick b")
    assert "tape" not in words("the red ")
    assert "car" in words("the red ")
    assert "tape" in words("the t") | words("the quick t")


@pytest.mark.parametrize("beam_width", [1, 4])
def test_generated_text_leaves_them_out(model: Model, beam_width: int) -> None:
    for prompt in ("", "the red", "a quick"):
        for seed in range(20):
            options = GenerationOptions(max_output_tokens=12, seed=seed, beam_width=beam_width)
            chunks = list(model.generate_text(prompt, options))
            text = f"{prompt} {''.join(chunk.text for chunk in chunks)}".lower()
            assert "bitch" not in text
            assert "red tape" not in text
            assert chunks[-1].finish_reason is not None


def _generated(model: Model, prompt: str, never: NeverGenerated, options: GenerationOptions) -> str:
    """What the subword model writes."""
    subwords = model.bundle.language_model("queries")
    return "".join(chunk.text for chunk in generate_text(subwords, prompt, options, never))


def _samples(model: Model, prompt: str, never: NeverGenerated) -> list[list[str]]:
    """The words of some texts."""
    options = [GenerationOptions(max_output_tokens=12, seed=seed) for seed in range(30)]
    return [_generated(model, prompt, never, each).split() for each in options]


def test_a_prompt_that_is_denied_itself_lets_nothing_pass(model: Model) -> None:
    never = NeverGenerated(BlockedWords(["new", "york", "times"]))
    for prompt in ("new", "new "):
        samples = _samples(model, prompt, never)
        assert any(samples)
        assert not any({"york", "times"} & set(words) for words in samples)


@pytest.mark.parametrize("prompt", ["old york", "old york "])
def test_what_is_denied_is_found_on_both_sides_of_the_prompts_end(model: Model, prompt: str, tmp_path: Path) -> None:
    build_withheld(tmp_path, [hash_query("old york map")])
    assert ["map"] in _samples(model, prompt, NeverGenerated())
    for never in (NeverGenerated(BlockedWords(["york map"])), NeverGenerated(withheld=Withheld(tmp_path))):
        samples = _samples(model, prompt, never)
        assert any(samples)
        assert ["map"] not in samples


def test_behind_a_blocked_word_no_other_word_is_tried(model: Model) -> None:
    class Counting(NeverGenerated):
        judged = 0

        def forbids(self, before: str, text: str) -> bool:
            Counting.judged += 1
            return super().forbids(before, text)

    low, high = model.bundle.language_model("queries").word_starts
    options = GenerationOptions(temperature=0, max_output_tokens=3)
    _generated(model, "", Counting(BlockedWords(["new", "old", "acme"])), options)
    assert Counting.judged < high - low


def test_a_withheld_query_is_neither_suggested_nor_generated(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    whole = open_model(copy, verify=False)
    every_guess = QueryOptions(min_acceptance_prob=0.0)
    every = {
        each.text for text in ("n", "new ", "o", "old ") for each in whole.complete_query(text, every_guess).suggestions
    }
    made_up = {text for text in every if not whole.bundle.queries.count(text)}  # type: ignore[union-attr]
    assert "old york times" in made_up
    build_withheld(copy / NEVER_GENERATED_FOLDER, [hash_query("old york times"), hash_query("new york times")])
    write_manifest(copy, read_manifest(copy))
    fewer = open_model(copy)
    left = {
        each.text for text in ("n", "new ", "o", "old ") for each in fewer.complete_query(text, every_guess).suggestions
    }

    assert "old york times" not in left
    assert "new york times" in left  # of the log itself
    assert open_bundle(copy).never_generated.includes(["old york times"]).all()


def test_training_takes_the_hashes_of_the_query_step(bundle: Path) -> None:
    base = bundle.parents[2]
    step = next((base / "work").rglob("train.parquet")).parent
    counted, done = (step / WITHHELD_FILE).read_bytes(), (step / DONE_FILE).read_text()
    hashes = np.array([hash_query("old york times"), hash_query("weather")], np.uint64)
    write_table(pyarrow.table({"hash": hashes.view(np.int64)}), step / WITHHELD_FILE)
    (step / DONE_FILE).write_text(json.dumps({**json.loads(done), "files": sums(step)}))  # as if the step had made it
    again = train(_config(blocked_words="ours.txt"), base=base, reporter=SilentReporter()).path
    (step / WITHHELD_FILE).unlink()
    with pytest.raises(InputError, match=r"withheld\.parquet: is not there, so rare queries could be generated"):
        train(_config(blocked_words="ours.txt"), base=base, reporter=SilentReporter())
    (step / WITHHELD_FILE).write_bytes(counted)
    (step / DONE_FILE).write_text(done)
    never = open_bundle(again).never_generated
    assert never.includes(["old york times", "weather", "new york"]).tolist() == [True, True, False]


def test_a_bundle_may_leave_out_what_it_was_measured_on(bundle: Path) -> None:
    kept = held_out(bundle, text=None, queries=None)
    assert kept.sentences
    assert kept.queries
    config = _config(blocked_words="ours.txt")
    publishing = config.publishing.model_copy(update={"keep_held_out": False})
    leaner = train(
        config.model_copy(update={"publishing": publishing}), base=bundle.parents[2], reporter=SilentReporter()
    ).path
    assert not (leaner / EVALUATION_FOLDER).exists()
    assert read_manifest(leaner).metrics["queries"] == read_manifest(bundle).metrics["queries"]
    with pytest.raises(InputError, match="the bundle keeps no held-out data"):
        held_out(leaner, text=None, queries=None)
