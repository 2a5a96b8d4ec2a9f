"""`harvey run` is killed: whenever that is, the next one ends as if nothing had been.

The moments are drawn once, by a seed, one from each equal share of the time that the work takes.
"""

import random
import sys
from typing import Final

import pytest

from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.killed import POINTS
from harvey_pipeline_tests.faults.stations import FIRST, LAST, Station, assert_as_undisturbed
from harvey_pipeline_tests.pipelines import days_between

SEED: Final = 20240429
MOMENTS: Final = 16
WORK_BEGINS: Final = 0.25
"""The share of a run before this is spent on imports."""

_choose = random.Random(SEED)
SHARES: Final = [
    round(WORK_BEGINS + (1 - WORK_BEGINS) * (number + _choose.random()) / MOMENTS, 3)
    for number in range(MOMENTS)
]

WHILE_RUNNING: Final = [
    ("dagster_home_half_made", 1),
    ("drop_parsed", 5),
    ("drops_in_the_ledger", 2),
    ("table_not_yet_committed", 4),
    ("table_committed", 3),
    ("table_committed", 9),
    ("fresh_copy_in_the_making", 1),
    ("fresh_copy_not_yet_seen", 1),
]
WHILE_PUBLISHING_AGAIN: Final = [
    "copies_about_to_change_places",
    "copies_half_way_to_change_places",
    "copy_catching_up",
]


@pytest.mark.long
@pytest.mark.parametrize("share", SHARES)
def test_killed_after_a_share_of_the_run(
    share: float, station: Station, undisturbed: Undisturbed
) -> None:
    seconds = share * undisturbed.seconds
    was_killed = station.run_and_kill(seconds)
    print(f"seed {SEED}: after {seconds:.2f} s, killed: {was_killed}")
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)


def kill_at(station: Station, point: str, count: int = 1) -> None:
    assert point in POINTS
    killer = (sys.executable, "-m", "harvey_pipeline_tests.faults.killed", point, str(count))
    finished = station.run(command=killer)
    assert finished.returncode == -9, finished.stdout


@pytest.mark.long
@pytest.mark.parametrize(("point", "count"), WHILE_RUNNING)
def test_killed_at_a_point(
    point: str, count: int, station: Station, undisturbed: Undisturbed
) -> None:
    kill_at(station, point, count)
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)


@pytest.mark.long
def test_killed_while_the_published_copy_is_brought_up_to_date(
    station: Station, undisturbed: Undisturbed
) -> None:
    """Drops arrive day by day, and each run but the first is killed while it publishes."""
    later = station.root / "later"
    station.landing.rename(later)
    for day in days_between(FIRST, LAST):
        for drop in sorted(later.rglob(f"{day}.*")):
            place = station.landing / drop.relative_to(later)
            place.parent.mkdir(parents=True, exist_ok=True)
            drop.rename(place)
        if day > FIRST:
            kill_at(station, WHILE_PUBLISHING_AGAIN[(day - FIRST).days - 1])
            # Readers find a copy of one state or the next, whole.
            assert station.published_rows()
        station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)
