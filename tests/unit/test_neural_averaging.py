"""Averaged SGD against its definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training.neural.averaging import PATIENCE, NonMonotonicAverage


@given(st.lists(st.floats(0, 10), max_size=15))
def test_it_begins_when_the_newest_loss_is_worse_than_the_best_of_long_ago(losses: list[float]) -> None:
    average = NonMonotonicAverage(nn.Linear(2, 2), {}, 0)
    average.begin_if_due(losses)
    long_ago = losses[: max(0, len(losses) - PATIENCE)]
    assert (average.count > 0) == (bool(long_ago) and losses[-1] > min(long_ago))


def test_it_is_the_mean_of_the_weights_since_it_began() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    average = NonMonotonicAverage(model, {}, 0)
    average.update()  # before it begins: nothing
    seen = [model.weight.detach().clone()]
    average.begin_if_due([1.0, *[2.0] * PATIENCE])
    for _ in range(7):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        seen.append(model.weight.detach().clone())
        average.update()
    last = model.weight.detach().clone()
    with average.in_place():
        torch.testing.assert_close(model.weight, torch.stack(seen).mean(0))
    torch.testing.assert_close(model.weight, last)


def test_an_error_gives_the_weights_back() -> None:
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    average = NonMonotonicAverage(model, {name: torch.zeros_like(value) for name, value in model.named_parameters()}, 4)

    def measure() -> None:
        with average.in_place():
            assert not model.weight.any()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure()
    assert torch.equal(model.weight, before)
