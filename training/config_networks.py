"""The sections of the training configuration for networks: the neural model and the re-ranker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.config_section import Section


class _NetworkConfig(Section):
    """The fields that every network has."""

    embedding_size: int = Field(256, ge=8, le=4096, description="Width of the token vectors.")
    hidden_size: int = Field(256, ge=8, le=4096, description="Width of the hidden layers.")
    dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of each layer's outputs that is dropped, the same ones all along a sentence.",
    )
    read_twice: tuple[str, ...] = Field(
        (),
        description="Names of the query logs that each pass reads a second time, for example the log nearest to what"
        " people will type.",
    )
    tokens_per_batch: int = Field(2048, ge=32, description="Tokens in one optimiser step, over all processes together.")
    learning_rate: float = Field(0.005, gt=0, description="Peak learning rate. About 0.005 suits AdamW, about 10 ASGD.")
    weight_decay: float = Field(
        0.01, ge=0, description="Share by which a step shrinks the weights, times the learning rate."
    )
    gradient_clip: float = Field(
        1.0, gt=0, description="Largest norm of a step's gradient. A larger one is scaled down to it."
    )
    sampled_softmax: int = Field(
        0, ge=0, description="Tokens drawn for each step to estimate the softmax in training. 0 computes it in full."
    )
    max_epochs: int = Field(4, ge=1, description="Largest number of passes over the training text.")
    max_steps: int | None = Field(None, ge=1, description="Largest number of optimiser steps.")
    max_minutes: float | None = Field(
        None, gt=0, description="Longest training, in minutes. With it two runs give different weights."
    )
    measurements: int = Field(
        4, ge=1, description="How often the loss on the validation text is measured, evenly spread over training."
    )
    early_stopping: int | None = Field(
        None, ge=1, description="Training stops after this many measurements in a row without a better loss."
    )
    checkpoint_every_s: float = Field(30.0, gt=0, description="Seconds between two checkpoints.")
    device: str = Field(
        "cpu", description="The device that trains: `cpu`, or another that torch knows, such as `cuda`."
    )


class NeuralConfig(_NetworkConfig):
    """The neural model. Torch trains it, ONNX Runtime serves it."""

    use: Literal["propose", "rank", "off"] = Field(
        "propose",
        description="What the neural model of a model of queries does. `propose`: it proposes queries where the log"
        " knows few, if held-out queries say that this pays. `rank`: it has its opinion of the next token alone. `off`:"
        " it is not trained.",
    )
    kind: Literal["lstm", "gru", "rnn", "window"] = Field(
        "lstm",
        description="`lstm`, `gru`, `rnn` (Elman's), or `window`: the last few tokens go through one hidden layer.",
    )
    layers: int = Field(1, ge=1, le=4, description="Number of recurrent layers.")
    window: int = Field(5, ge=1, le=32, description="Number of tokens that the kind `window` looks at.")
    tie_weights: bool = Field(
        True, description="Whether input and output share the token vectors (Press and Wolf, 2017)."
    )
    input_dropout: float | None = Field(
        None, ge=0, lt=1, description="Share of the token vectors' components that is dropped. If unset: as `dropout`."
    )
    embedding_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the vocabulary that is dropped from a batch, each token at all its places.",
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="Share of recurrent weights that is dropped (Merity et al., 2018)."
    )
    activation_regularization: float = Field(
        0.0, ge=0, description="Weight of the squared outputs in the loss. Merity et al. (2017) use 2."
    )
    temporal_regularization: float = Field(
        0.0, ge=0, description="Weight in the loss of the squared change between outputs. Merity et al. (2017) use 1."
    )
    carry_state: bool = Field(
        False,
        description="Whether the model remembers the sentences before, in training and in serving. For running text.",
    )
    bptt: int = Field(64, ge=8, le=1024, description="With `carry_state`: how many tokens back gradients go.")
    optimizer: Literal["adamw", "asgd"] = Field(
        "adamw",
        description="`adamw`, or `asgd`: SGD, averaged once the validation loss stops falling (Merity et al., 2018).",
    )


class RerankerConfig(_NetworkConfig):
    """The re-ranker: a bidirectional network that scores complete queries, to re-rank the best candidates."""

    kind: Literal["lstm", "gru"] = Field("lstm", description="`lstm` or `gru`, one layer in each direction.")

    def network(self) -> NeuralConfig:
        """The same settings, as the training code takes them."""
        return NeuralConfig.model_validate(self.model_dump())
