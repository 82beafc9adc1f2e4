"""Calls that take their places in a lane, with the clock passed in."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import pytest

from lm.errors import OverloadedError
from service.rpc.admission import Lane
from service.rpc.status import StatusError

MESSAGE = b"message"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Context:
    """An in-memory twin of the part of gRPC's context that a lane uses."""

    def __init__(self) -> None:
        self.message: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def read(self) -> object:
        return await self.message


class Caller:
    """A call in a lane."""

    def __init__(self, lane: Lane) -> None:
        self.context = Context()
        self.taken = asyncio.create_task(lane.take(self.context))

    async def send(self) -> bytes:
        self.context.message.set_result(MESSAGE)
        return await self.taken


async def answer_shortly(lane: Lane) -> None:
    """Has it learn that answers are short, whatever they were before."""
    for _ in range(400):
        await lane.compute(int)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def in_lane(
    test: Callable[[Lane, Clock], Coroutine[Any, Any, None]], *, hold_s: float = 0.0, max_bytes: int = 1000
) -> None:
    """Runs a test with a lane of one thread and two places."""
    clock = Clock()
    lane = Lane("test", threads=1, hold_s=hold_s, max_bytes=max_bytes, clock=clock, chance=lambda: 0.0, max_calls=2)

    async def run() -> None:
        try:
            await test(lane, clock)
        finally:
            lane.close()

    asyncio.run(run())


def test_calls_whose_messages_are_under_way_have_their_places() -> None:
    async def test(lane: Lane, _clock: Clock) -> None:
        unread = [Caller(lane) for _ in range(2)]
        await settle()
        for _ in range(800):
            with pytest.raises(OverloadedError):
                await lane.take(Context())
        assert [await caller.send() for caller in unread] == [MESSAGE] * 2
        assert lane.waiting == 1
        for _ in unread:
            lane.leave(MESSAGE)
        assert await Caller(lane).send() == MESSAGE

    in_lane(test)


def test_a_call_whose_message_is_late_loses_its_place_to_the_next_one() -> None:
    async def test(lane: Lane, clock: Clock) -> None:
        late = Caller(lane)
        await settle()
        clock.now_s += 0.05
        prompt = Caller(lane)
        await settle()
        clock.now_s += 0.06  # the first is late now, the second is not
        third = Caller(lane)
        with pytest.raises(OverloadedError, match="message did not come in time"):
            await late.taken
        with pytest.raises(OverloadedError, match="Too many calls"):
            await Caller(lane).taken
        assert [await prompt.send(), await third.send()] == [MESSAGE] * 2

    in_lane(test)


def test_a_call_whose_message_is_one_too_many_bytes_is_refused_until_another_ends() -> None:
    async def test(lane: Lane, _clock: Clock) -> None:
        await Caller(lane).send()
        for _ in range(3):
            with pytest.raises(OverloadedError, match="Too many bytes"):
                await Caller(lane).send()
        lane.leave(MESSAGE)
        assert await Caller(lane).send() == MESSAGE

    in_lane(test, max_bytes=2 * len(MESSAGE) - 1)


def test_a_call_that_ends_without_a_message_keeps_no_place() -> None:
    async def test(lane: Lane, _clock: Clock) -> None:
        empty, left = Caller(lane), Caller(lane)
        await settle()
        empty.context.message.set_result(grpc.aio.EOF)
        with pytest.raises(StatusError):
            await empty.taken
        left.taken.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left.taken
        assert [await Caller(lane).send() for _ in range(2)] == [MESSAGE] * 2

    in_lane(test)


def test_a_call_that_is_cancelled_while_it_waits_is_not_worked_on() -> None:
    worked: list[str] = []

    async def test(lane: Lane, _clock: Clock) -> None:
        begun, release = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            release.wait(20)

        first = asyncio.create_task(lane.compute(hold))
        await asyncio.to_thread(begun.wait, 20)
        waiting = [asyncio.create_task(lane.compute(worked.append, name)) for name in "abc"]
        await settle()
        for task in waiting[:2]:
            task.cancel()
        await settle()
        release.set()
        await first
        await waiting[2]

    in_lane(test)
    assert worked == ["c"]


def test_a_thread_that_works_for_a_caller_who_left_counts_until_it_is_free() -> None:
    async def test(lane: Lane, _clock: Clock) -> None:
        begun, release, ended = threading.Event(), threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            release.wait(20)

        await Caller(lane).send()
        job = asyncio.create_task(lane.compute(hold))
        await asyncio.to_thread(begun.wait, 20)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        lane.leave(MESSAGE)
        second = Caller(lane)
        await second.send()
        assert lane.waiting == 1
        release.set()
        await lane.compute(ended.set)  # the thread is free
        assert lane.waiting == 0

    in_lane(test)


def test_the_event_loop_computes_for_a_call_that_is_alone_once_answers_have_been_short() -> None:
    async def test(lane: Lane, clock: Clock) -> None:
        loop, here = threading.get_ident(), threading.get_ident
        await Caller(lane).send()
        assert await lane.compute(here) != loop  # nothing is known of the answers yet
        await answer_shortly(lane)
        assert await lane.compute(here) == loop
        clock.now_s += 1
        other = Caller(lane)
        await settle()
        assert await lane.compute(here) != loop
        await other.send()
        assert await lane.compute(here) != loop
        lane.leave(MESSAGE)
        with pytest.raises(ValueError, match="no number"):
            await lane.compute(int, "no number")
        assert await lane.compute(here) == loop

    in_lane(test, hold_s=0.005)


def test_calls_that_arrive_while_the_event_loop_computes_are_seen_before_it_computes_again() -> None:
    async def test(lane: Lane, _clock: Clock) -> None:
        loop, here = threading.get_ident(), threading.get_ident
        await Caller(lane).send()
        await answer_shortly(lane)
        assert await lane.compute(here) == loop
        lane.leave(MESSAGE)
        await Caller(lane).send()
        computing = asyncio.create_task(lane.compute(here))
        await asyncio.sleep(0)
        behind = Caller(lane)  # gRPC hands it over some turns later
        assert await computing != loop
        await behind.send()
        assert lane.waiting == 1

    in_lane(test, hold_s=0.005)


def test_the_event_loop_computes_no_answers_that_take_long() -> None:
    async def test(lane: Lane, clock: Clock) -> None:
        loop = threading.get_ident()

        def take_long() -> int:
            clock.now_s += 0.01
            return threading.get_ident()

        await Caller(lane).send()
        await answer_shortly(lane)
        computed_by = [await lane.compute(take_long) for _ in range(50)]
        assert computed_by.count(loop) <= 3
        await answer_shortly(lane)
        assert await lane.compute(threading.get_ident) == loop

    in_lane(test, hold_s=0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_the_event_loop_goes_before_the_threads_that_compute() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def test(lane: Lane, _clock: Clock) -> None:
        assert await lane.compute(priority) > priority()

    in_lane(test)


def test_work_that_fails_costs_no_thread_and_tells_its_caller() -> None:
    async def test(lane: Lane, _clock: Clock) -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="no number"):
                await lane.compute(int, "no number")
        assert await lane.compute(int, "7") == 7

    in_lane(test)
