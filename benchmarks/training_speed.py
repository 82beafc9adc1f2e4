"""Training throughput of a large LSTM against the plain way: fp32, `nn.LSTM`, softmax over the whole vocabulary.

Run from the checkout: `python -m benchmarks.training_speed`. Both train LSTM 2 x 650 over 33,000 words on the same
made-up tokens, in turns, so that whatever else the machine does meets both. `--rounds 1 --steps 1` shows that it works.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.command import run
from training.config_networks import NeuralConfig
from training.data.encoding import EncodedText
from training.neural.checkpoint import Checkpoint
from training.neural.data import Sentences
from training.neural.distributed import Processes
from training.neural.loop import TrainingLoop
from training.neural.model import NeuralNetwork

VOCABULARY, WIDTH, LAYERS = 33_000, 650, 2
TOKENS, BPTT = 2048, 64
CONFIG = NeuralConfig(
    embedding_size=WIDTH,
    hidden_size=WIDTH,
    layers=LAYERS,
    dropout=0.5,
    carry_state=True,
    bptt=BPTT,
    tokens_per_batch=TOKENS,
    sampled_softmax=4096,
    learning_rate=0.001,
)


def main(rounds: int = 4, steps: int = 8) -> None:
    """Measures so many rounds of so many steps, after one that warms up, and prints."""
    with tempfile.TemporaryDirectory() as folder:
        text = _text(Path(folder))
        ways = {"ours": _ours(text), "plain": _plain(text)}
        seconds = dict.fromkeys(ways, 0.0)
        for turn in range(rounds + 1):
            for name, step in ways.items():
                start_s = time.perf_counter()
                for _ in range(steps):
                    step()
                seconds[name] += (time.perf_counter() - start_s) if turn else 0.0
    for name, taken_s in seconds.items():
        print(f"{name:6} {rounds * steps * TOKENS / taken_s:8,.0f} tokens/s")
    print(f"ours / plain: {seconds['plain'] / seconds['ours']:.2f} (target: 1.8)")


def _text(folder: Path) -> Sentences:
    """Tokens as frequent as words are: the i-th most frequent one 1 / i times as often as the first."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, VOCABULARY - 2)
    np.save(folder / "tokens.npy", rng.choice(VOCABULARY - 3, 400_000, p=weights / weights.sum()).astype(np.int32) + 3)
    np.save(folder / "offsets.npy", np.arange(0, 400_001, 20))
    return Sentences.open(EncodedText(folder / "tokens.npy", folder / "offsets.npy"))


def _ours(text: Sentences) -> Callable[[], object]:
    loop = TrainingLoop(
        config=CONFIG,
        kind=NeuralNetwork,
        vocabulary_size=VOCABULARY,
        seed=0,
        training=text,
        validation=text,
        checkpoint=Checkpoint(settings={}),
        processes=Processes(),
        clock=time.monotonic,
    )
    batches = loop.batches()
    return lambda: loop.step(next(batches), CONFIG.learning_rate)


def _plain(text: Sentences) -> Callable[[], object]:
    embedding, output = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(WIDTH, VOCABULARY)
    output.weight = embedding.weight
    lstm = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True, dropout=0.5)
    modules = nn.ModuleList([embedding, lstm, output])
    optimizer = torch.optim.AdamW(modules.parameters(), CONFIG.learning_rate)
    rows = torch.from_numpy(np.array(text.tokens[: 100 * TOKENS + 1], np.int64))
    places = itertools.cycle(range(0, 100 * TOKENS, TOKENS))

    def step() -> None:
        place = next(places)
        inputs, targets = (rows[place + ahead : place + ahead + TOKENS].view(-1, BPTT) for ahead in (0, 1))
        hidden, _ = lstm(embedding(inputs))
        loss = nn.functional.cross_entropy(output(hidden).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(modules.parameters(), CONFIG.gradient_clip)
        optimizer.step()

    return step


if __name__ == "__main__":
    run(main, __doc__)
