"""The neural model as ONNX Runtime steps it: state in, hidden vectors and state out.

Two graphs lie in a model's folder. `recurrent.onnx` reads tokens and is as deep as the sentence is long;
`output.onnx` turns the hidden vectors that a caller picks into log probabilities over the vocabulary, which
costs more than all the rest and is often not needed for every token. With a large vocabulary `short_list.onnx` does so
for its most frequent tokens alone, which `short_list.npy` names. All hold int8 weights.

A result depends on its own row alone, not on what else is in the batch or how a sentence was cut into
calls, so cached and fresh states give the same answers.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lm.arrays import open_array
from lm.errors import BundleDamagedError

if TYPE_CHECKING:
    import onnxruntime

RECURRENT_FILE = "recurrent.onnx"
OUTPUT_FILE = "output.onnx"
DESCRIPTION_FILE = "neural.json"
SHORT_LIST_FILE, SHORT_LIST_TOKENS_FILE = "short_list.onnx", "short_list.npy"

# Logits computed at a time, 4 MB: the memory that onnxruntime keeps for the next call stays bounded.
_BLOCK_LOGITS = 1 << 20


NeuralState: TypeAlias = NDArray[np.float32]
"""What the model remembers of each sentence of a batch, (S, B, D).

LSTM: `h` of each layer, then `c` of each; GRU and RNN: `h` of each layer; window: the vectors of the tokens before.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralDescription:
    """What `neural.json` says of a model.

    Attributes:
        kind: `lstm`, `gru`, `rnn` or `window`.
        embedding_size: width of the token vectors and of the hidden vectors that `advance` returns.
        hidden_size: width of the hidden layers.
        layers: hidden layers.
        state_size, state_width: S and D of `NeuralState`.
        carries_state: whether it was trained to remember the sentences before.
        parameter_count: trained numbers.
    """

    kind: str
    vocabulary_size: int
    embedding_size: int
    hidden_size: int
    layers: int
    state_size: int
    state_width: int
    carries_state: bool
    parameter_count: int

    @classmethod
    def read(cls, path: Path) -> NeuralDescription:
        """Reads the file.

        Raises:
            BundleDamagedError: it is missing, not JSON, or has other fields.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise BundleDamagedError(path, f"no description of a neural model ({error})") from None


class Network:
    """A trained network of two graphs, open for reading; threads may share it, and its work releases the GIL."""

    def __init__(self, folder: Path) -> None:
        """Opens the network in a folder; raises `BundleDamagedError` if a file is not what training writes."""
        self.description = NeuralDescription.read(folder / DESCRIPTION_FILE)
        self._recurrent = open_session(folder / RECURRENT_FILE)
        self._output = open_session(folder / OUTPUT_FILE)

    def _rows(self, name: str, hidden_NE: NDArray[np.float32], targets_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The output graph's `log_probs`, (N, V), or `target_log_probs`, (N,), a bounded number of logits at a time."""
        hidden_NE = np.ascontiguousarray(hidden_NE, np.float32)
        targets_N = np.ascontiguousarray(targets_N, np.int64)
        step = max(1, _BLOCK_LOGITS // self.description.vocabulary_size)
        parts = (slice(row, row + step) for row in range(0, max(1, len(hidden_NE)), step))
        blocks: list[NDArray[np.float32]] = [
            self._output.run([name], {"hidden": hidden_NE[rows], "targets": targets_N[rows]})[0] for rows in parts
        ]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


class NeuralModel(Network):
    """A trained language model.

    Attributes:
        short_list: its opinion of frequent tokens alone; None where the vocabulary is small.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        listed = (folder / SHORT_LIST_FILE).is_file()
        self.short_list = ShortList(folder, self.description.vocabulary_size) if listed else None

    def initial_state(self, batch: int = 1) -> NeuralState:
        """The state before a text; feed `<s>` first."""
        return np.zeros((self.description.state_size, batch, self.description.state_width), np.float32)

    def advance(self, tokens_BT: NDArray[np.int64], state_SBD: NeuralState) -> tuple[NDArray[np.float32], NeuralState]:
        """Reads T tokens of B sentences.

        Returns:
            The hidden vectors after each token, (B, T, embedding_size), and the state after the last.
        """
        hidden_BTE, next_SBD = self._recurrent.run(
            None, {"tokens": np.ascontiguousarray(tokens_BT, np.int64), "state": state_SBD}
        )
        return hidden_BTE, next_SBD

    def log_probs(self, hidden_NE: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log probabilities of all tokens after each hidden vector, (N, V); nats."""
        unused_N = np.zeros(len(hidden_NE), np.int64)
        return self._rows("log_probs", hidden_NE, unused_N)

    def target_log_probs(self, hidden_NE: NDArray[np.float32], targets_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The log probability of one token after each hidden vector, (N,); nats, as in `log_probs`."""
        return self._rows("target_log_probs", hidden_NE, targets_N)


class ShortList:
    """The output layer of the most frequent tokens.

    Attributes:
        tokens: their ids, int32 (S,), ascending.
    """

    def __init__(self, folder: Path, vocabulary_size: int) -> None:
        self.tokens: NDArray[np.int32] = open_array(folder / SHORT_LIST_TOKENS_FILE, np.int32)
        self._session = open_session(folder / SHORT_LIST_FILE)
        ascending = self.tokens.ndim == 1 and bool((np.diff(self.tokens, prepend=-1) > 0).all())
        in_range = ascending and bool((self.tokens < vocabulary_size).all())
        if not in_range or self._session.get_outputs()[0].shape[-1] != len(self.tokens):
            raise BundleDamagedError(folder / SHORT_LIST_TOKENS_FILE, "is of another short list or vocabulary")

    def probabilities(self, hidden_NE: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each token of the list after each hidden vector, given that it is one of them, float32 (N, S)."""
        probabilities_NS: NDArray[np.float32] = self._session.run(None, {"hidden": hidden_NE})[0]
        return probabilities_NS


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A graph of a bundle, to run on one thread.

    Raises:
        BundleDamagedError: it is missing or no graph.
    """
    # read when it is loaded; else its builds send Microsoft what models are opened and on which machine
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if not path.is_file():
        raise BundleDamagedError(path, "missing")
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # requests run in parallel, a request does not
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # shapes change from call to call
    options.log_severity_level = 3  # errors, which are raised as well
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes share no base but this
        raise BundleDamagedError(path, f"onnxruntime cannot read it ({error})") from None
