"""The losses against their definitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.config_networks import NeuralConfig
from training.neural import loss
from training.neural.loss import Sampler, log_normalizer, mean_loss
from training.neural.model import NeuralNetwork

VOCABULARY = 500
Setting = tuple[NeuralNetwork, torch.Tensor, torch.Tensor]


@pytest.fixture
def setting() -> Setting:
    torch.manual_seed(0)
    model = NeuralNetwork(VOCABULARY, NeuralConfig.model_validate({"embedding_size": 16, "hidden_size": 16}))
    with torch.no_grad():
        model.embedding.weight.mul_(2)
    hidden = torch.randn(40, 16, requires_grad=True)
    return model, hidden, torch.randint(2, VOCABULARY, (40,))


def loss_of(
    model: NeuralNetwork, hidden: torch.Tensor, targets: torch.Tensor, sampler: Sampler | None = None
) -> torch.Tensor:
    drawn = None if sampler is None else sampler.draw()
    wanted = targets if drawn is None else torch.cat([drawn, targets])
    return mean_loss(model, hidden, targets, functional.embedding(wanted, model.output_weight()), drawn, sampler)


def test_normalizer_and_its_gradients_are_those_of_logsumexp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "BLOCK_LOGITS", 100)  # several blocks
    torch.manual_seed(0)
    inputs = [torch.randn(23, 8), torch.randn(30, 8), torch.randn(30)]
    own = torch.randint(-1, 30, (23,))
    weight = torch.randn(23)

    def gradients(compute: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        result = compute(*leaves)
        return [result.detach(), *torch.autograd.grad((result * weight).sum(), leaves)]

    def naive(hidden: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        logits = hidden @ weights.T + bias
        hidden_columns = functional.one_hot(own + 1, 31)[:, 1:].bool()
        return torch.logsumexp(logits.masked_fill(hidden_columns, -torch.inf), -1)

    found = gradients(partial(log_normalizer, own_N=own))
    for one, other in zip(found, gradients(naive), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_full_loss_is_cross_entropy(setting: Setting) -> None:
    model, hidden, targets = setting
    expected = functional.cross_entropy(model.logits(hidden), targets)
    torch.testing.assert_close(loss_of(model, hidden, targets), expected)


def test_sampled_normaliser_is_right_on_average(setting: Setting) -> None:
    model, hidden, targets = setting
    counts = np.random.default_rng(0).zipf(1.5, VOCABULARY).clip(max=10**6)
    counts[1] = 0
    sampler = Sampler(counts, 100, torch.device("cpu"))
    torch.manual_seed(0)
    with torch.no_grad():
        exact = functional.cross_entropy(model.logits(hidden), targets, reduction="none")
        ratios = []
        for row in range(0, 40, 8):
            one = slice(row, row + 1)
            draws = [loss_of(model, hidden[one], targets[one], sampler).exp() for _ in range(600)]
            ratios.append(float(torch.stack(draws).mean() / exact[row].exp()))
    np.testing.assert_allclose(ratios, 1, atol=0.05)


def test_a_sample_of_everything_is_the_full_loss(setting: Setting) -> None:
    model, hidden, targets = setting
    sampler = Sampler(np.ones(VOCABULARY, np.int64), VOCABULARY - 1, torch.device("cpu"))
    torch.testing.assert_close(loss_of(model, hidden, targets, sampler), loss_of(model, hidden, targets))


def test_loss_pulls_on_the_weights_of_target_and_sample_only(setting: Setting) -> None:
    model, hidden, targets = setting
    sampler = Sampler(np.ones(VOCABULARY, np.int64), 50, torch.device("cpu"))
    (gradient,) = torch.autograd.grad(loss_of(model, hidden, targets, sampler), [model.embedding.weight])
    moved = gradient.abs().sum(-1) > 0
    assert 50 < int(moved.sum()) <= 50 + len(set(targets.tolist())) + 1
    assert moved[targets].all()
