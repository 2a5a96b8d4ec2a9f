"""Who reads the published copy never meets a failed query or half a state, whatever happens."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import environment, wait_until
from harvey_pipeline_tests.faults import at_point
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.reader import state_of
from harvey_pipeline_tests.faults.stations import (
    FIRST,
    LAST,
    WITHIN_SECONDS,
    Station,
    assert_as_undisturbed,
)
from harvey_pipeline_tests.pipelines import days_between

KILLED_AT: Final = (
    "copies_about_to_change_places",
    "copies_half_way_to_change_places",
    "copy_catching_up",
)


@contextmanager
def read_all_the_time(station: Station) -> Iterator[Path]:
    """A reader at work, and the file into which it writes what it finds."""
    found = station.root / "read.txt"
    with found.open("w") as file:
        reader = subprocess.Popen(
            [sys.executable, "-m", "harvey_pipeline_tests.faults.reader", str(station.published)],
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield found
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()


@pytest.mark.long
def test_through_a_backfill_day_by_day_whose_publishing_is_killed(
    station: Station, undisturbed: Undisturbed
) -> None:
    later = station.root / "later"
    station.landing.rename(later)
    states = []
    for number, day in enumerate(days_between(FIRST, LAST)):
        for drop in sorted(later.rglob(f"{day}.*")):
            place = station.landing / drop.relative_to(later)
            place.parent.mkdir(parents=True, exist_ok=True)
            drop.rename(place)
        if number == 0:
            station.run_well()
            states.append(state_of(station.published))
            continue
        with read_all_the_time(station) as found:
            killed = station.run(command=at_point.command(KILLED_AT[number - 1]))
            assert killed.returncode == -9, killed.stdout
            station.run_well()
            states.append(state_of(station.published))
            wait_until(lambda: states[-1] in found.read_text(), WITHIN_SECONDS)
            if day == LAST:
                finished = station.run("--all")
                assert finished.returncode == 0, finished.stdout
        # The old state until the moment of the new one, and never anything else.
        read = found.read_text().rpartition("\n")[0].splitlines()
        assert [state for state, _ in groupby(read)] == states[-2:]
        assert len(read) > 30
    assert len(set(states)) == 4
    assert_as_undisturbed(station, undisturbed.tables)
