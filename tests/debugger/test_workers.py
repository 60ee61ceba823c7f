"""A script whose library has a thread that waits for work is stepped back as quickly as any other."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from backprop_tui.debuggee import workers
from backprop_tui.debuggee.appending import Appending
from backprop_tui.debugger.futures import Future
from support.driving import Driver
from support.scripts import bare, script

NAME = "events/writes_events"


def test_going_back_and_forth_leaves_the_file_of_a_plain_run(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    expected = bare(NAME, str(tmp_path / "plain"), dump=False)
    driver.load(script(NAME), str(tmp_path))
    for iteration in (14, 5, 25, 3):
        driver.goto(iteration, 4)
        for _ in range(3):
            driver.back()
        assert driver.session.run_of_script.processes.checkpoints
    driver.wait(driver.session.finish())

    assert driver.status == "finished" and driver.printed == expected.output
    assert not [text for text in driver.messages if "thread" in text]
    assert (tmp_path / "events.txt").read_text() == (tmp_path / "plain" / "events.txt").read_text()


def test_a_race_writes_nothing(driver: Driver, tmp_path: Path) -> None:
    driver.load(script(NAME), str(tmp_path))
    driver.goto(4, 1)
    before = (tmp_path / "events.txt").read_text()
    race = driver.wait(driver.session.race([Future(), Future("lr 0.5", (("lr", 0.5),))], 8))
    driver.wait(race.run())

    assert [lane.state for lane in race.lanes] == ["done", "done"]
    assert (tmp_path / "events.txt").read_text() == before


def test_what_is_written_after_the_last_message_can_be_cut_off_too(tmp_path: Path) -> None:
    """A file that was opened before a checkpoint has its length noted there, before it is opened again."""
    appending, file = Appending(), tmp_path / "events"
    appending.remember(file)
    file.write_text("one")
    count, opened = appending.news()
    assert (count, opened) == (0, [(str(file), None)])
    appending.forked()
    file.write_text("one, two")
    assert appending.news() == (1, [(str(file), 3)])


class _AsyncWriterThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._queue: queue.Queue[threading.Event | None] = queue.Queue()

    def run(self) -> None:
        while (gate := self._queue.get()) is not None:
            gate.wait()
            self._queue.task_done()


_AsyncWriterThread.__module__ = "tensorboard.summary.writer.event_file_writer"


def test_a_thread_rests_when_it_waits_for_its_queue_and_nothing_is_left_to_do() -> None:
    thread, gate = _AsyncWriterThread(), threading.Event()
    thread.start()
    assert workers.workers() == [thread] and workers.come_to_rest([thread])
    thread._queue.put(gate)
    assert not workers.come_to_rest([thread])
    gate.set()
    assert workers.come_to_rest([thread])
    thread._queue.put(None)
    thread.join()
    assert workers.workers() == []
    assert not workers.is_worker(threading.current_thread())
