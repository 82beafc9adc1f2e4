"""Whether a training fits into memory, said before it begins and not by the kernel that ends it."""

from __future__ import annotations

from pathlib import Path

import torch

from lm.errors import ConfigError
from lm.models.neural import NeuralDescription
from training.config_networks import NeuralConfig

_COPIES = 20  # bytes a parameter: weights, gradient, two moments, the best weights so far
_ACTIVATIONS = 24  # bytes for each number of a layer's gates that the backward pass needs
_LOGIT = 10  # bytes a logit: in the type of the products, in float32, and its gradient


def needed_bytes(config: NeuralConfig, described: NeuralDescription, tokens: int | None = None) -> int:
    """About what a training takes at most, with `tokens` a step (by default the configured ones)."""
    columns = config.sampled_softmax or described.vocabulary_size
    hidden = 4 * described.hidden_size * described.layers
    a_token = _ACTIVATIONS * (hidden + 2 * config.embedding_size) + _LOGIT * columns
    return described.parameter_count * _COPIES + (config.tokens_per_batch if tokens is None else tokens) * a_token


def require_memory(config: NeuralConfig, described: NeuralDescription, device: torch.device) -> None:
    """Checks that a training fits.

    Raises:
        ConfigError: it does not; says what would fit.
    """
    there = free_bytes(device)
    if there is None or needed_bytes(config, described) <= there:
        return
    raise too_little(config, described, there)


def too_little(config: NeuralConfig, described: NeuralDescription, there: int) -> ConfigError:
    """The error that says what would fit."""
    without, with_one = (needed_bytes(config, described, tokens) for tokens in (0, 1))
    fits = (there - without) // (with_one - without)
    if fits >= 32:
        remedy = f"Set neural.tokens_per_batch to {fits} or less" + (
            "." if config.sampled_softmax else ", or use neural.sampled_softmax."
        )
    else:
        remedy = "Set a smaller hidden_size, embedding_size or vocabulary_size, or use a machine with more memory."
    needed = needed_bytes(config, described)
    return ConfigError(
        f"neural: training needs about {needed / 2**30:.1f} GiB of memory, and {there / 2**30:.1f} GiB are free.",
        remedy=remedy,
    )


def free_bytes(device: torch.device) -> int | None:
    """Memory that may still be taken, None where it cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    return min([available, *_cgroup_bytes()])


def _cgroup_bytes() -> list[int]:
    """What the container's limit leaves, where there is one."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((folder / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # none, or `max`
        return []
    return [max(0, limit - used)]
