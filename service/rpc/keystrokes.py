"""The answers to keystrokes, ready to be sent, and whose turn it is to have one made.

A keystroke gets one answer if a cache holds it, or if the neural model has nothing to add. Any other keystroke gets the
n-gram model's answer at once and the refined one after it. The refined one closes the keystroke (`is_final`) even if
the list did not change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autocomplete.v1 import autocomplete_service_pb2 as pb

from lm.errors import AutocompleteError
from service.live.models import LiveModel, LiveModels
from service.rpc.admission import Clock, Threads
from service.rpc.completer import Completer
from service.rpc.requests import Question
from service.rpc.status import is_for_callers, status_of
from service.telemetry.metrics import Metrics
from suggest.budget import Budget, OptionalPart, Shortage
from suggest.types import QueryOptions

METHOD = "StreamCompleteQuery"
Config = pb.StreamCompleteQueryRequest.Config
Turn = asyncio.Future[bool]
"""Done with True once it has come, with False if it was given up."""


@dataclass(frozen=True, slots=True)
class Keystroke:
    """The input box after one edit."""

    sequence_number: int
    query: str
    received_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """The second answer that a keystroke still gets: from the same model, with the parts that refine the first one."""

    keystroke: Keystroke
    question: Question[QueryOptions]
    model: LiveModel
    budget: Budget
    fast: pb.CompleteQueryResponse
    refiners: tuple[OptionalPart, ...]


class KeystrokeAnswers:
    """Answers keystrokes of any stream.

    Args:
        time_budget_s: time that an answer may take from the keystroke's arrival on.
    """

    def __init__(
        self,
        *,
        models: LiveModels,
        completer: Completer,
        metrics: Metrics,
        time_budget_s: float,
        clock: Clock,
    ) -> None:
        self._models = models
        self._completer = completer
        self._metrics = metrics
        self._time_budget_s = time_budget_s
        self._clock = clock
        self._duration = metrics.request_duration.labels(METHOD)
        self._answered = metrics.keystrokes.labels("answered")
        self._refused = metrics.keystrokes.labels("refused")

    def check(self, config: Config) -> str:
        """Checks what a stream is to go by.

        Returns:
            The user whose version of the model answers all of the stream; one by chance if it names none.

        Raises:
            AutocompleteError: a field is wrong, or there is no such model.
        """
        self._models.get(self._completer.read_query(config, "", prefix="config.").model)
        return config.user_pseudo_id or self._models.any_user()

    def first(self, config: Config, keystroke: Keystroke, user: str) -> tuple[bytes, Refinement | None]:
        """The first answer to a keystroke, a serialised `StreamCompleteQueryResponse`, and what may follow it.

        Args:
            user: what `check` returned.
        """
        try:
            question = self._completer.read_query(config, keystroke.query, prefix="config.")
            model = self._models.get(question.model, user)
            model = self._models.for_user(model, question.user_pseudo_id)
            received_s = keystroke.received_s
            budget = Budget(received_s + self._time_budget_s, self._clock, waited_s=self._clock() - received_s)
            payload = self._completer.find_query(model, question)
            if payload is not None:
                return self._final(keystroke, payload), None
            fast, refiners = self._completer.fast_query(model, question, budget)
            if not refiners:
                return self._final(keystroke, fast.SerializeToString()), None
            owed = Refinement(
                keystroke=keystroke, question=question, model=model, budget=budget, fast=fast, refiners=refiners
            )
            return _response(keystroke.sequence_number, fast.SerializeToString(), is_final=False), owed
        except AutocompleteError as error:
            return self.refuse(keystroke.sequence_number, error), None

    def refined(self, owed: Refinement) -> bytes:
        """The last answer to a keystroke; if its turn came too late, the fast one again, marked as degraded."""
        if owed.budget.remaining_s() <= 0:
            owed.fast.degraded = True
            for part in owed.refiners:
                self._metrics.degraded.labels(Shortage.OVERLOAD.value, part.value).inc()
            return self._final(owed.keystroke, owed.fast.SerializeToString())
        try:
            payload = self._completer.compute_query(owed.model, owed.question, owed.budget)
        except AutocompleteError as error:
            return self.refuse(owed.keystroke.sequence_number, error)
        return self._final(owed.keystroke, payload)

    def _final(self, keystroke: Keystroke, payload: bytes) -> bytes:
        self._answered.inc()
        self._duration.observe(self._clock() - keystroke.received_s)
        return _response(keystroke.sequence_number, payload, is_final=True)

    def refuse(self, number: int, error: AutocompleteError) -> bytes:
        """The answer to a keystroke that cannot be answered.

        Raises:
            AutocompleteError: the error is no fault of the caller's.
        """
        if not is_for_callers(error):
            raise error
        self._refused.inc()
        response = pb.StreamCompleteQueryResponse(sequence_number=number, error=status_of(error), is_final=True)
        return response.SerializeToString()


class Turns:
    """Shares threads out among streams that have a keystroke to answer; its methods belong to the event loop.

    Refined answers wait until nobody waits for a fast one, but no longer than `patience_s`. After that there is no time
    left to compute one, and it takes next to no time to say so.

    Args:
        threads: make the answers.
        count: how many of them there are.
        patience_s: time that an answer may take.
    """

    def __init__(self, threads: Threads, count: int, patience_s: float, clock: Clock) -> None:
        self._free = count
        self._patience_s = patience_s
        self._clock = clock
        self._threads = threads
        self._fast: dict[Turn, float] = {}
        self._refined: dict[Turn, float] = {}

    def __len__(self) -> int:
        """Streams that wait."""
        return len(self._fast) + len(self._refined)

    def ask(self, *, refined: bool = False) -> Turn:
        """A turn, which has come once it is done; whoever asks must `give_back` it or give it up."""
        turn: Turn = asyncio.get_running_loop().create_future()
        (self._refined if refined else self._fast)[turn] = self._clock()
        self._hand_out()
        return turn

    def give_up(self, turn: Turn) -> None:
        """Takes back a request for a turn; one that has come is given back."""
        self._fast.pop(turn, None)
        self._refined.pop(turn, None)
        if not turn.done():
            turn.set_result(False)
        elif not turn.cancelled() and turn.result():
            self.give_back()

    def give_back(self) -> None:
        """Ends a turn."""
        self._free += 1
        self._hand_out()

    async def compute(self, work: Callable[..., Any], /, *args: Any) -> Any:
        """Has a thread do the work of one whose turn has come."""
        return await self._threads.submit(work, *args).future

    def close(self) -> None:
        """Lets the threads go."""
        self._threads.close()

    def _hand_out(self) -> None:
        while self._free and (self._fast or self._refined):
            waiting = self._refined if not self._fast or self._is_overdue() else self._fast
            turn = next(iter(waiting))
            del waiting[turn]
            if not turn.done():  # its stream has not ended
                self._free -= 1
                turn.set_result(True)

    def _is_overdue(self) -> bool:
        since_s = next(iter(self._refined.values()), None)
        return since_s is not None and self._clock() - since_s > self._patience_s


def _response(number: int, completion: bytes, *, is_final: bool) -> bytes:
    """A serialised `StreamCompleteQueryResponse` around a serialised completion."""
    response = pb.StreamCompleteQueryResponse(sequence_number=number, is_final=is_final)
    response.completion.MergeFromString(completion)
    return response.SerializeToString()
