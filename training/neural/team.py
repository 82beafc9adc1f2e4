"""The processes that train one model together, as `torchrun` starts them; most often there is one."""

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
from training.neural.batches import Batch

_TIMEOUT = timedelta(days=2)  # the others wait while the first one counts n-grams


@dataclass(frozen=True, slots=True)
class Team:
    """This process among those that train together.

    Attributes:
        rank: its number; 0 leads: it alone writes files.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> Team:
        """The team that `torchrun` has set up in the environment, else a team of one."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=_TIMEOUT)
            atexit.register(_leave)
        return cls(distributed.get_rank(), size)

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def require_divisible(self, rows: int) -> None:
        """Checks that streams can be dealt out evenly.

        Raises:
            ConfigError: they cannot.
        """
        if rows % self.size:
            raise ConfigError(
                f"neural.tokens_per_batch: {rows} streams cannot be shared evenly by {self.size} processes.",
                remedy=f"Set tokens_per_batch to bptt times a multiple of {self.size}.",
            )

    def share(self, batch: Batch) -> Batch:
        """This process's rows of a batch; where there are fewer rows than processes, perhaps none that counts."""
        if self.size == 1:
            return batch
        rows = slice(self.rank, None, self.size) if self.rank < len(batch.valid) else slice(0, 1)
        valid = batch.valid[rows] & (self.rank < len(batch.valid))
        return Batch(inputs=batch.inputs[rows], targets=batch.targets[rows], valid=valid, goes_on=batch.goes_on)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients averaged over the team (Li et al., 2020)."""
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(module)

    def of_leader(self, value: float) -> float:
        """The first process's value, for all."""
        if self.size == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(told, 0)
        return float(told)

    def any(self, flag: bool) -> bool:
        """Whether it is true for one of them."""
        if self.size == 1:
            return flag
        told = torch.tensor(float(flag))
        distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return bool(told)

    def total(self, value: float) -> float:
        """The sum over all."""
        if self.size == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(told)
        return float(told)

    def gather_rows(self, state_SBD: Tensor) -> Tensor:
        """The state of all streams, (S, B * size, D), from that of each process's."""
        if self.size == 1:
            return state_SBD
        parts: list[Any] = [torch.empty_like(state_SBD) for _ in range(self.size)]
        distributed.all_gather(parts, state_SBD.contiguous())
        return torch.stack(parts, dim=2).flatten(1, 2)  # streams were dealt out in turn

    def own_rows(self, state_SBD: Tensor) -> Tensor:
        """This process's part of what `gather_rows` gave."""
        return state_SBD[:, self.rank :: self.size].contiguous()

    def wait(self) -> None:
        """Until all have come to this point."""
        if self.size > 1:
            distributed.barrier()


def _leave() -> None:
    """Ends the group's threads: one that still frees a tensor while the interpreter ends would abort the process."""
    gc.collect()  # of what was trained, which holds on to the group
    distributed.destroy_process_group()


def end_assistant() -> NoReturn:
    """Ends a process that only shared the steps, and leaves nothing to write.

    At once: while an interpreter ends in its own time, threads of gloo that are still joinable now and then abort it
    (`terminate called without an active exception`), and `torchrun` then ends the process that leads.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
