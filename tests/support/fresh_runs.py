"""What comes of changes by definition: the script run again from its beginning, and changed on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.futures import parse_futures
from support.driving import Driver
from support.recorded_run import RecordedRun, Sight, walk


@dataclass(frozen=True)
class Made:
    """A change, as it is typed, and the place of the walk at which it was made."""

    text: str
    at: int


Changes = tuple[Made, ...]


class FreshRuns:
    """The walk from the beginning of the script to its end, for any changes made on the way."""

    def __init__(self, driver: Driver, script: Path) -> None:
        self.driver = driver
        self.script = script
        self._known: dict[Changes, RecordedRun | str] = {}
        self.digests: dict[Changes, list[tuple[int, int]]] = {}

    def run(self, made: Changes) -> RecordedRun:
        """The walk with these changes. Raises Refused if the last of them is."""
        if made not in self._known:
            self._known[made] = self._walk(made)
        known = self._known[made]
        if isinstance(known, str):
            raise Refused(known)
        return known

    def _walk(self, made: Changes) -> RecordedRun | str:
        try:
            self.stand(made)
        except Refused as refusal:
            return str(refusal)
        before = self.run(made[:-1]).sights[: made[-1].at] if made else ()
        found = RecordedRun([*before, *walk(self.driver)])
        self.digests[made] = digests(self.driver)
        return found

    def stand(self, made: Changes) -> None:
        """Run the script from its beginning to the last of the changes. Raises Refused if that is refused."""
        self.driver.load(self.script)
        if not made or made[0].at < self.run(()).first_from(1, 1):
            self.driver.goto(0, 1)
        for count, change in enumerate(made):
            self.go(self.run(made[:count]).sights[change.at])
            for kind, value in parse_futures(change.text)[0].changes:
                self.driver.change(kind, value)

    def go(self, place: Sight) -> None:
        """Forwards to a place."""
        if self.driver.stop.time < place.time:
            self.driver.goto(place.iteration, place.number)
        while self.driver.stop.time < place.time and self.driver.status == "stopped":
            self.driver.step("into")


def digests(driver: Driver) -> list[tuple[int, int]]:
    """Of all losses and rates, landmark by landmark, up to where the script stands."""
    return driver.session.run_of_script.history.digests.until(driver.stop.time[0])
