"""The device that trains: its threads and precision, and whether its memory is enough.

Too little memory is told before training begins, not by a kernel that ends the process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lm.errors import ConfigError
from lm.models.neural import NeuralDescription
from training.config_networks import NeuralConfig

# Options of `mallopt` in malloc.h. One arena, because the backward pass runs on a thread of its own, and the arena
# that the thread would get cannot hold large blocks.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_COPIES = 20  # bytes a parameter: weights, gradient, two moments, the best weights so far
_ACTIVATIONS = 24  # bytes for each number of a layer's gates that the backward pass needs
_LOGIT = 10  # bytes a logit: in the type of the products, in float32, and its gradient


def open_device(name: str) -> torch.device:
    """The device of that name, with all of this process's cores to use.

    Raises:
        ConfigError: torch does not know the name, or this machine has no such device; says which there are.
    """
    there = ["cpu"]
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is not None:
        there += [accelerator.type]
        there += [f"{accelerator.type}:{index}" for index in range(torch.accelerator.device_count())]
    if name not in there:
        raise ConfigError(
            f"neural.device: there is no {name!r} on this machine.", remedy=f"There is: {', '.join(there)}."
        )
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes that train together on this machine
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // beside))
    _keep_freed_memory()
    return torch.device(name)


def _keep_freed_memory() -> None:
    """Has the C library keep large blocks that are freed, because the next step wants them again.

    By default it gives them back to the system, which then hands out zeroed pages one by one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1)):
        mallopt(option, value)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products in bfloat16."""
    if device.type == "cpu":
        found = torch.cpu.get_capabilities()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return device.type != "cuda" or torch.cuda.is_bf16_supported()


def require_memory(config: NeuralConfig, described: NeuralDescription, device: torch.device) -> None:
    """Checks that a training fits into memory.

    Raises:
        ConfigError: it does not; says what would fit.
    """
    free = free_bytes(device)
    if free is not None and _needed_bytes(config, described, config.tokens_per_batch) > free:
        raise _too_little_memory(config, described, free)


@contextmanager
def memory_errors_explained(config: NeuralConfig, described: NeuralDescription, device: torch.device) -> Iterator[None]:
    """Says what would fit if memory runs out inside.

    Raises:
        ConfigError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch has no class of its own for the processor's memory
        ran_out = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
        if not ran_out:
            raise
        raise _too_little_memory(config, described, free_bytes(device) or 0) from error


def _too_little_memory(config: NeuralConfig, described: NeuralDescription, free: int) -> ConfigError:
    without, with_one, needed = (_needed_bytes(config, described, tokens) for tokens in (0, 1, config.tokens_per_batch))
    fits = (free - without) // (with_one - without)
    if fits >= 32:
        remedy = f"Set neural.tokens_per_batch to {fits} or less"
        remedy += "." if config.sampled_softmax else ", or use neural.sampled_softmax."
    else:
        remedy = "Set a smaller hidden_size, embedding_size or vocabulary_size, or use a machine with more memory."
    return ConfigError(
        f"neural: training needs about {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free.",
        remedy=remedy,
    )


def _needed_bytes(config: NeuralConfig, described: NeuralDescription, tokens: int) -> int:
    """About what a training with that many tokens a step takes at most."""
    columns = config.sampled_softmax or described.vocabulary_size
    hidden = 4 * described.hidden_size * described.layers
    a_token = _ACTIVATIONS * (hidden + 2 * config.embedding_size) + _LOGIT * columns
    return described.parameter_count * _COPIES + tokens * a_token


def free_bytes(device: torch.device) -> int | None:
    """Memory that can still be taken, bytes; None if that cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    return min([available, *_cgroup_bytes()])


def _cgroup_bytes() -> list[int]:
    """What a container's limit leaves, if there is a limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((folder / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no such file, or it says `max`
        return []
    return [max(0, limit - used)]
