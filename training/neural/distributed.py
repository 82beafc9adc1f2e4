"""The processes that train one model together, as `torchrun` starts them. Most often there is one."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import torch
from torch import Tensor, distributed, nn

from lm.errors import ConfigError
from training.neural.data import Batch

_TIMEOUT = timedelta(days=2)  # the others wait while the first process counts n-grams


@dataclass(frozen=True, slots=True)
class Processes:
    """This process, by its `rank`, among the `count` that train together. The process of rank 0 alone writes files."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls) -> Processes:
        """The processes that `torchrun` names in the environment, else this one alone."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=_TIMEOUT)
            atexit.register(_leave)
        return cls(distributed.get_rank(), count)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def require_divisible(self, rows: int) -> None:
        """Checks that every process gets equally many streams.

        Raises:
            ConfigError: they do not.
        """
        if rows % self.count:
            raise ConfigError(
                f"neural.tokens_per_batch: {rows} streams cannot be shared evenly by {self.count} processes.",
                remedy=f"Set tokens_per_batch to bptt times a multiple of {self.count}.",
            )

    def shard(self, batch: Batch) -> Batch:
        """This process's rows of a batch. A process too many gets a row in which no target counts."""
        if self.count == 1:
            return batch
        rows = slice(self.rank, None, self.count) if self.rank < len(batch.valid) else slice(0, 1)
        valid = batch.valid[rows] & (self.rank < len(batch.valid))
        return Batch(inputs=batch.inputs[rows], targets=batch.targets[rows], valid=valid, continues=batch.continues)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over all processes (Li et al., 2020)."""
        return module if self.count == 1 else nn.parallel.DistributedDataParallel(module)

    def from_main(self, value: float) -> float:
        """The first process's value, in all processes."""
        return self._reduced(value if self.is_main else 0.0, distributed.ReduceOp.SUM)

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in one of the processes."""
        return self._reduced(float(flag), distributed.ReduceOp.MAX) > 0

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        return self._reduced(value, distributed.ReduceOp.SUM) / self.count

    def _reduced(self, value: float, operation: Any) -> float:
        if self.count == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(told, operation)
        return float(told)

    def gather_rows(self, state_SBD: Tensor) -> Tensor:
        """The state of all streams, (S, B * count, D), from the state of each process's streams."""
        if self.count == 1:
            return state_SBD
        parts: list[Any] = [torch.empty_like(state_SBD) for _ in range(self.count)]
        distributed.all_gather(parts, state_SBD.contiguous())
        return torch.stack(parts, dim=2).flatten(1, 2)  # `shard` deals rows out in turn

    def own_rows(self, state_SBD: Tensor) -> Tensor:
        """This process's part of what `gather_rows` gave."""
        return state_SBD[:, self.rank :: self.count].contiguous()

    def wait(self) -> None:
        """Waits until all processes have come to this point."""
        if self.count > 1:
            distributed.barrier()


def _leave() -> None:
    """Ends the group's threads. A thread that still frees a tensor while the interpreter ends aborts the process."""
    gc.collect()  # the network holds on to the group
    distributed.destroy_process_group()


def end_assistant() -> NoReturn:
    """Ends a process that only shared the steps and leaves nothing to write.

    It ends at once: while an interpreter shuts down, threads of gloo now and then abort the process
    (`terminate called without an active exception`), and `torchrun` then ends the first process too.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
