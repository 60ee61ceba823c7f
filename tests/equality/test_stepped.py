"""Stepped to its end through a session, with steps back in between, a script leaves the same bits behind."""

import asyncio
import json
import random
import tempfile
from pathlib import Path

import pytest

from support.scripts import DUMPER, Run, bare, difference, environment, script
from support.sessions import ENDS, Watched, open_session, run_to_end, script_output

SHORT = {
    "toy": ["4", "Adam"],
    "gan": ["--iterations", "1"],
    "dropout_digest": ["2"],
}
MORE = {
    **SHORT,
    "custom_function": ["--iterations", "2"],
    "seed_002_milestones": [],
    "no_optimizer": ["--iterations", "4"],
    "lbfgs": ["--steps", "1", "--max-iter", "2"],
    "idioms": [],
}


def stepped(name: str, arguments: list[str], seed: int) -> Run:
    return asyncio.run(walk(name, arguments, random.Random(seed)))


async def walk(name: str, arguments: list[str], chooser: random.Random) -> Run:
    """Walk to the end; now and then a few steps back, another kind of step, or a jump."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state.json"
        async with open_session(
            str(DUMPER), str(state), script(name), *arguments, environment=environment()
        ) as session:
            while session.view.status not in ENDS:
                await move(session, chooser)
            status = session.view.stop.exit_status if session.view.stop else None
            return Run(status or 0, script_output(session), json.loads(state.read_text()))


async def move(session: Watched, chooser: random.Random) -> None:
    how = chooser.choices(["walk", "into", "over", "out"], [6, 2, 3, 1])[0]
    await session.step(how)  # type: ignore[arg-type]
    stop = session.view.stop
    assert stop is not None
    if chooser.random() < 0.1 and stop.iteration > 0:
        for _ in range(chooser.randrange(1, 5)):
            if stop.time > (0, 2):
                await session.step("walk", backwards=True)
    if chooser.random() < 0.02 and stop.iteration > 1:
        await session.goto(chooser.randrange(1, stop.iteration), 1)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "arguments"), SHORT.items(), ids=SHORT)
def test_stepping_there_and_back_changes_nothing(name: str, arguments: list[str]) -> None:
    assert difference(bare(name, *arguments), stepped(name, arguments, seed=1)) == ""


@pytest.mark.parametrize("name", ["dropout_digest"])
def test_going_back_from_the_end_and_running_on_changes_nothing(name: str) -> None:
    arguments = ["300"]

    async def there_and_back() -> Run:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state.json"
            async with open_session(
                str(DUMPER), str(state), script(name), *arguments, environment=environment()
            ) as session:
                await run_to_end(session)
                for iteration in (250, 3, 299, 120):
                    await session.goto(iteration, 2)
                    assert session.view.stop is not None
                    assert (session.view.stop.iteration, session.view.stop.number) == (iteration, 2)
                state.unlink()
                await run_to_end(session)
                return Run(0, script_output(session), json.loads(state.read_text()))

    assert difference(bare(name, *arguments), asyncio.run(there_and_back())) == ""


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "arguments"), MORE.items(), ids=MORE)
def test_other_walks(name: str, arguments: list[str], seed: int) -> None:
    assert difference(bare(name, *arguments), stepped(name, arguments, 10 + seed)) == ""
