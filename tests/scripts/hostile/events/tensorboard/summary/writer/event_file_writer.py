"""A thread that writes what comes through a queue, as the real one does."""

import queue
import threading
import time
from pathlib import Path


class EventFileWriter:
    def __init__(self, path: Path) -> None:
        self._queue: queue.Queue[object] = queue.Queue(10)
        self._worker = _AsyncWriterThread(self._queue, path)
        self._worker.start()

    def add_event(self, event: str) -> None:
        self._queue.put(event)

    def flush(self) -> None:
        self._queue.join()

    def close(self) -> None:
        self._worker.stop()


class _AsyncWriterThread(threading.Thread):
    def __init__(self, events: queue.Queue[object], path: Path) -> None:
        threading.Thread.__init__(self)
        self.daemon = True
        self._queue = events
        self._path = path
        self._end = object()

    def stop(self) -> None:
        self._queue.put(self._end)
        self.join()

    def run(self) -> None:
        while True:
            try:
                event = self._queue.get(True, 0.5)
            except queue.Empty:
                continue
            if event is self._end:
                return
            time.sleep(0.001)
            with open(self._path, "a") as file:
                file.write(f"{event}\n")
            self._queue.task_done()
