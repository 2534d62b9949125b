"""J2: two workers on one file, stepped statement by statement in every order; see `tests.model`."""

from __future__ import annotations

from contextlib import closing

from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.model.interleavings import DEEP, Theatre, scenes


def act(trial: Trial) -> None:
    """Explore every scene of so many things done, and the deep ones of six."""
    with closing(Theatre(trial.folder / "theatre")) as theatre:
        for scene in (*scenes(trial.figures["things"]), *DEEP):
            theatre.explore(scene)
            trial.count("scenes")
        trial.count("schedules", theatre.schedules)
        trial.count("steps", theatre.steps)


ROWS = [
    Row(
        name="J2",
        says="two workers stepped statement by statement, in every order",
        passes="no hold twice, no job settled twice, lost, run beside itself or counted wrongly",
        act=act,
        engines=("sqlite",),
        short={"things": 3},
        full={"things": 5},
    )
]
