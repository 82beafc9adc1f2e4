"""Whose turn it is, with the clock passed in."""

from __future__ import annotations

import asyncio

import pytest

from service.rpc.admission import Threads
from service.rpc.keystrokes import Turn, Turns


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Queue:
    """Turns of one thread, which the test has."""

    def __init__(self, patience_s: float = 1.0) -> None:
        self.clock = Clock()
        self.turns = Turns(Threads(1, "test"), 1, patience_s, self.clock)
        self.asked = {"ours": self.turns.ask()}

    def ask(self, name: str, *, refined: bool = False) -> Turn:
        self.asked[name] = self.turns.ask(refined=refined)
        return self.asked[name]

    def order(self) -> str:
        """Whose turn it is one after the other."""
        order, come = "", {"ours"}
        while len(self.turns):
            self.turns.give_back()
            (name,) = {name for name, turn in self.asked.items() if turn.done() and turn.result()} - come
            come.add(name)
            order += name
        return order


def test_fast_answers_come_before_refined_ones_in_the_order_in_which_they_are_asked() -> None:
    async def run() -> None:
        queue = Queue()
        queue.ask("a", refined=True)
        queue.ask("b")
        queue.ask("c", refined=True)
        queue.ask("d")
        assert len(queue.turns) == 4
        assert queue.order() == "bdac"

    asyncio.run(run())


def test_a_refined_answer_whose_time_is_up_waits_no_longer() -> None:
    async def run() -> None:
        queue = Queue(patience_s=0.05)
        queue.ask("a", refined=True)
        queue.clock.now_s = 0.02
        queue.ask("c", refined=True)
        queue.ask("b")
        queue.ask("d")
        queue.clock.now_s = 0.06
        assert queue.order() == "abdc"

    asyncio.run(run())


def test_a_turn_that_is_given_up_is_nobodys_and_one_that_had_come_is_the_next_ones() -> None:
    async def run() -> None:
        queue = Queue()
        waiting, cancelled = queue.ask("a"), queue.ask("b", refined=True)
        queue.ask("c")
        queue.turns.give_up(waiting)
        assert not await waiting
        cancelled.cancel()
        queue.turns.give_up(cancelled)
        assert len(queue.turns) == 1
        queue.turns.give_up(queue.asked["ours"])
        assert await queue.asked["c"]

    asyncio.run(run())


def test_work_that_fails_costs_no_thread() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def run() -> None:
        turns = Turns(Threads(1, "test"), 1, 1.0, Clock())
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await turns.compute(fail)
        assert await turns.compute(int, "7") == 7
        turns.close()

    asyncio.run(run())
