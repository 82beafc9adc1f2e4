"""What KenLM estimates: its own programs and the successor table give the same figures."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lm.errors import ConfigError
from lm.models.ngram import KENLM_FILE
from lm.models.vocabulary import END
from tests.trained_ngrams import KENLM_CONFIGS, SENTENCES, some_sentences, train_on_made_up_text
from training.config import NgramConfig
from training.data.encoding import encode, write_kenlm_text
from training.ngram.kenlm_tools import ensure_kenlm_tools
from training.progress import SilentReporter

_QUANTIZE_BITS = 8


@pytest.mark.parametrize("name", list(KENLM_CONFIGS))
def test_the_table_scores_as_kenlm_does(name: str, tmp_path: Path) -> None:
    trained = train_on_made_up_text(KENLM_CONFIGS[name], tmp_path)
    for whole in some_sentences(trained):
        scores, _ = trained.model.table.score_all(trained.model.begin, np.array(whole, np.int32))
        np.testing.assert_allclose(scores, trained.model.log_probs(whole), atol=1e-5, rtol=0)


def test_pruning_drops_ngrams_and_no_word(tmp_path: Path) -> None:
    config = KENLM_CONFIGS["pruned"]
    models = {}
    for name, prune in (("all", ()), ("pruned", (0, 1))):
        (tmp_path / name).mkdir()
        ngram = config.ngram.model_copy(update={"prune": prune})
        models[name] = train_on_made_up_text(config.model_copy(update={"ngram": ngram}), tmp_path / name)

    assert models["pruned"].model.count < 0.8 * models["all"].model.count
    assert len(models["pruned"].vocabulary) == len(models["all"].vocabulary)


@pytest.mark.parametrize("name", list(KENLM_CONFIGS))
def test_a_quantised_model_has_kenlms_values_in_its_table(name: str, tmp_path: Path) -> None:
    config = KENLM_CONFIGS[name]
    ngram = config.ngram.model_copy(update={"quantize_bits": _QUANTIZE_BITS})
    for folder in ("full", "quantised"):
        (tmp_path / folder).mkdir()
    full = train_on_made_up_text(config, tmp_path / "full")
    quantised = train_on_made_up_text(config.model_copy(update={"ngram": ngram}), tmp_path / "quantised")

    difference = 0.0
    for tokens in some_sentences(quantised):
        scores, _ = quantised.model.table.score_all(quantised.model.begin, np.array(tokens, np.int32))
        np.testing.assert_allclose(scores, quantised.model.log_probs(tokens), atol=1e-5, rtol=0)
        difference = max(difference, np.abs(scores - full.model.log_probs(tokens)).max())
    assert difference > 0.01
    for order in range(2, config.ngram.order + 1):
        values = np.load(tmp_path / "quantised" / f"order{order}.log_probs.npy")
        assert len(np.unique(values)) <= 2**_QUANTIZE_BITS < len(values)
    sizes = {path.parent.name: path.stat().st_size for path in tmp_path.glob("*/kenlm.binary")}
    assert sizes["quantised"] < sizes["full"]
    for context in quantised.contexts():
        log_probs = quantised.model.table.distribution(context, 0, len(quantised.vocabulary))
        assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("bits", [None, 8])
def test_perplexity_is_that_of_kenlms_query(bits: int | None, tmp_path: Path) -> None:
    config = KENLM_CONFIGS["pruned"]
    ngram = config.ngram.model_copy(update={"quantize_bits": bits})
    trained = train_on_made_up_text(config.model_copy(update={"ngram": ngram}), tmp_path)
    silent, text = SilentReporter(), tmp_path / "test.txt"
    text.write_text("\n".join([*SENTENCES[1:], "how to bano a red bano", "why do they"]), encoding="utf-8")
    encoded = encode(trained.tokenizer, [text], tmp_path, "test", silent)
    write_kenlm_text(encoded, trained.vocabulary, tmp_path / "kenlm.txt")

    command = [str(ensure_kenlm_tools(silent) / "query"), "-v", "summary", str(tmp_path / KENLM_FILE)]
    with (tmp_path / "kenlm.txt").open("rb") as lines:
        output = subprocess.run(command, stdin=lines, capture_output=True, text=True, check=True).stdout

    figure = re.search(r"Perplexity including OOVs:\t(\S+)", output)
    assert figure is not None
    sentences = [[*sentence.tolist(), END] for sentence in encoded.sentences()]
    scores = [trained.model.table.score_all(trained.model.begin, np.array(s, np.int32))[0] for s in sentences]
    assert math.exp(-np.concatenate(scores).mean()) == pytest.approx(float(figure[1]), rel=1e-4)


def test_a_text_too_small_for_its_discounts_says_so(tmp_path: Path) -> None:
    config = KENLM_CONFIGS["pruned"].model_copy(
        update={"ngram": NgramConfig(smoothing="kneser_ney", order=4, discount_fallback=False)}
    )

    with pytest.raises(ConfigError, match=r"language_models\.[a-z]+\.ngram: the training text is too small .* order 4"):
        train_on_made_up_text(config, tmp_path, line_count=3)
