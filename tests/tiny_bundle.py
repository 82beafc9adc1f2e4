"""A small bundle, really trained on a part of the demo's speeches and queries, bounded in steps."""

from __future__ import annotations

from pathlib import Path

from demo.sample_data import SampleData
from training.config import TrainingConfig
from training.pipeline import train
from training.progress import SilentReporter
from training.publish import Published

_NEURAL = {
    "embedding_size": 64,
    "hidden_size": 64,
    "tokens_per_batch": 512,
    "max_steps": 150,
    "max_epochs": 20,
    "dropout": 0.1,
}


def tiny_config(sample: SampleData, **changes: object) -> TrainingConfig:
    """The bundle's configuration; paths are relative to where it is trained."""
    document = {
        "name": "tiny",
        "seed": 3,
        "work": "work",
        "text": [{"path": str(sample.speeches / "200*.txt")}],
        "query_log": [{"path": str(sample.queries), "max_lines": 8000}],
        "screening": {"min_count": 1},
        "held_out": {"max_queries": 300, "max_sentences": 300},
        "publishing": {"registry": "registry", "keep_versions": 2},
        "language_models": [
            {
                "name": "queries",
                "unit": "subword",
                "sources": ["queries"],
                "vocabulary_size": 1000,
                "ngram": {"order": 4},
                "neural": {**_NEURAL, "use": "rank"},
            },
            {
                "name": "text",
                "unit": "word",
                "sources": ["text"],
                "vocabulary_size": 4000,
                "ngram": {"order": 3},
                "neural": {**_NEURAL, "sampled_softmax": 256},
            },
        ],
    }
    return TrainingConfig.model_validate({**document, **changes})


def train_tiny(folder: Path, sample: SampleData, **changes: object) -> Published:
    """Trains it below `folder`, into `folder/registry`."""
    return train(tiny_config(sample, **changes), base=folder, reporter=SilentReporter())
