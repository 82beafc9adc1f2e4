"""Sections of the training configuration that say what networks are trained, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.config_section import Section


class _NetworkConfig(Section):
    """What every network has."""

    embedding_size: int = Field(256, ge=8, le=4096, description="Width of the token vectors.")
    hidden_size: int = Field(256, ge=8, le=4096, description="Width of the hidden layers.")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of each layer's outputs dropped, the same all along a sentence."
    )
    tokens_per_batch: int = Field(2048, ge=32, description="Tokens of one optimiser step, over all processes.")
    learning_rate: float = Field(0.005, gt=0, description="Peak learning rate: about 0.005 for AdamW, 10 for ASGD.")
    weight_decay: float = Field(0.01, ge=0, description="Decay of the weights a step, times the learning rate.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of a step's gradient.")
    sampled_softmax: int = Field(
        0, ge=0, description="Negatives a step for sampled softmax in training; 0 computes the full one."
    )
    max_epochs: int = Field(4, ge=1, description="Passes over the training text at most.")
    max_steps: int | None = Field(None, ge=1, description="Optimiser steps at most.")
    max_minutes: float | None = Field(None, gt=0, description="Minutes of training at most; two runs then differ.")
    measurements: int = Field(4, ge=1, description="How often the validation text is measured, evenly spread.")
    early_stopping: int | None = Field(
        None, ge=1, description="Stop after so many measurements in a row without a better one."
    )
    checkpoint_every_s: float = Field(30.0, gt=0, description="Time between two checkpoints.")
    device: str = Field("cpu", description="`cpu`, or a device that torch knows, such as `cuda`.")


class NeuralConfig(_NetworkConfig):
    """Neural model, trained by torch, served by ONNX Runtime."""

    kind: Literal["lstm", "gru", "rnn", "window"] = Field(
        "lstm", description="`lstm`, `gru`, `rnn` (Elman's), or `window`: the last few tokens through one hidden layer."
    )
    layers: int = Field(1, ge=1, le=4, description="Recurrent layers.")
    window: int = Field(5, ge=1, le=32, description="Tokens that kind `window` looks at.")
    tie_weights: bool = Field(True, description="Input and output share the token vectors (Press and Wolf, 2017).")
    input_dropout: float | None = Field(
        None, ge=0, lt=1, description="Share of the token vectors' components dropped; as `dropout` if unset."
    )
    embedding_dropout: float = Field(0.0, ge=0, lt=1, description="Share of tokens dropped whole from a batch.")
    weight_drop: float = Field(0.0, ge=0, lt=1, description="Share of recurrent weights dropped (Merity et al., 2018).")
    activation_regularization: float = Field(
        0.0, ge=0, description="Weight of the squared outputs in the loss (Merity et al., 2017: 2)."
    )
    temporal_regularization: float = Field(
        0.0, ge=0, description="Weight of the squared steps between outputs in the loss (Merity et al., 2017: 1)."
    )
    carry_state: bool = Field(
        False, description="Remember the sentences before, in training and in serving: for running text."
    )
    bptt: int = Field(64, ge=8, le=1024, description="Tokens back to which gradients go if the state is carried.")
    optimizer: Literal["adamw", "asgd"] = Field(
        "adamw", description="`asgd`: SGD, averaged once validation stops improving (Merity et al., 2018, section 4)."
    )


class RerankerConfig(_NetworkConfig):
    """Bidirectional network that scores complete queries, to re-rank the best candidates."""

    kind: Literal["lstm", "gru"] = Field("lstm", description="`lstm` or `gru`, one layer in each direction.")

    def network(self) -> NeuralConfig:
        """The same settings as all training code takes them."""
        return NeuralConfig.model_validate(self.model_dump())
