"""`harvey run` is killed: whenever that is, the next one ends as if nothing had been.

The moments are drawn once, by a seed, one from each equal share of the time that the work takes.
"""

import random
from typing import Final

import pytest

from harvey_pipeline.synthetic import split_drops
from harvey_pipeline_tests.faults import at_point
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import Station, assert_as_undisturbed, deliver

SEED: Final = 20240429
MOMENTS: Final = 30
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


@pytest.mark.long
@pytest.mark.parametrize(("point", "count"), WHILE_RUNNING)
def test_killed_at_a_point(
    point: str, count: int, station: Station, undisturbed: Undisturbed
) -> None:
    finished = station.run(command=at_point.command(point, count))
    assert finished.returncode == -9, finished.stdout
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 20])
def test_killed_between_the_parts_of_a_folder(
    count: int, station: Station, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What one undisturbed run gives of the same folders is given all the same."""
    undisturbed = deliver(tmp_path_factory.mktemp("parted"))
    for one in (undisturbed, station):
        split_drops(one.landing, ["users", "firms", "events"], 3)
    undisturbed.run_well()
    finished = station.run(command=at_point.command("part_staged", count))
    assert finished.returncode == -9, finished.stdout
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables())
