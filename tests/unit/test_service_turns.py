from __future__ import annotations

import threading

from service.rpc.turns import TurnQueue, start_threads


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Named:
    def __init__(self, name: str) -> None:
        self.name = name
        self.played = threading.Event()

    def play(self) -> None:
        self.played.set()


A, B, C, D = (Named(name) for name in "abcd")


def taken(turns: TurnQueue) -> str:
    players = [turns.take() for _ in range(len(turns))]
    return "".join(player.name for player in players if isinstance(player, Named))


def test_turns_go_round_and_fast_answers_come_before_refined_ones() -> None:
    turns = TurnQueue(1.0, Clock())
    turns.ask_refined(A)
    turns.ask_fast(B)
    turns.ask_refined(C)
    turns.ask_fast(D)
    turns.ask_fast(B)  # it has its place already
    assert len(turns) == 4
    assert taken(turns) == "bdac"


def test_who_types_on_moves_from_the_refined_to_the_fast() -> None:
    turns = TurnQueue(1.0, Clock())
    for player in (A, B):
        turns.ask_refined(player)
    turns.promote(B)
    turns.promote(C)  # it waits for nothing
    assert taken(turns) == "ba"


def test_a_refined_answer_whose_time_is_up_waits_no_longer() -> None:
    clock = Clock()
    turns = TurnQueue(0.05, clock)
    turns.ask_refined(A)
    clock.now_s = 0.02
    turns.ask_refined(C)
    turns.ask_fast(B)
    turns.ask_fast(D)
    clock.now_s = 0.06
    assert taken(turns) == "abdc"


def test_who_has_ended_gets_no_turn() -> None:
    turns = TurnQueue(1.0, Clock())
    turns.ask_fast(A)
    turns.ask_refined(B)
    turns.ask_fast(C)
    for player in (A, B, D):
        turns.discard(player)
    assert taken(turns) == "c"


def test_threads_play_until_the_queue_is_closed() -> None:
    before = set(threading.enumerate())
    turns = TurnQueue(1.0, Clock())
    start_threads(turns, 2)
    threads = set(threading.enumerate()) - before
    player = Named("x")
    turns.ask_fast(player)
    assert player.played.wait(20)
    turns.close()
    for thread in threads:
        thread.join(20)
    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)
