"""Commands one after another."""

import asyncio

from backprop_tui.debugger.failure import Refused
from backprop_tui.screens.commands import STALE, CommandQueue


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def nothing():
    pass


def names_taken(queue):
    taken = []
    while command := queue.take():
        taken.append(command.name)
    return taken


def test_quick_presses_are_all_obeyed():
    queue = CommandQueue(print, Clock())
    for _ in range(5):
        queue.submit("step", nothing)

    assert names_taken(queue) == ["step"] * 5


def test_what_a_held_key_left_behind_counts_once():
    clock = Clock()
    queue = CommandQueue(print, clock)
    for _ in range(30):
        queue.submit("step", nothing)
    clock.now = STALE + 1

    assert names_taken(queue) == ["step"]


def test_different_commands_are_kept_apart_and_in_order():
    clock = Clock()
    queue = CommandQueue(print, clock)
    for name in ("step", "step", "over", "step", "step"):
        queue.submit(name, nothing)
    clock.now = STALE + 1

    assert names_taken(queue) == ["step", "over", "step"]


async def test_a_refusal_is_told_and_the_next_command_runs():
    told, ran = [], asyncio.Event()
    queue = CommandQueue(told.append)

    async def refuse():
        raise Refused("not now")

    async def note():
        ran.set()

    queue.submit("a", refuse)
    queue.submit("b", note)
    server = asyncio.create_task(queue.serve())
    await asyncio.wait_for(ran.wait(), 1)
    server.cancel()

    assert told == ["not now"]
