"""The landing sensor at work while a file grows, its daemon is killed and its folder is gone."""

import time
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.cli.uis import LOOK_SECONDS, UNFINISHED, Run, Ui, describe, ui
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import (
    FIRST,
    LAST,
    WITHIN_SECONDS,
    Station,
    assert_as_undisturbed,
)

SETTINGS: Final = {"HARVEY_START_DATE": str(FIRST)}
PIECES: Final = 9
GROWING: Final = frozenset({"raw.raw_events"})


def grow(path: Path, content: bytes) -> None:
    """Write a file piece by piece for as long as three looks take; none is a number of lines."""
    size = len(content) // PIECES
    path.write_bytes(content[:size])
    for number in range(1, PIECES):
        time.sleep(3 * LOOK_SECONDS / PIECES)
        with path.open("ab") as file:
            file.write(
                content[number * size : None if number == PIECES - 1 else (number + 1) * size]
            )


def runs_of(asked: Ui, *statuses: str) -> list[Run]:
    return [describe(one) for one in asked.all_runs() if one["status"] in statuses]


def loads_of_the_last_day(asked: Ui) -> list[Run]:
    """The runs, whatever came of them, that were asked for the last day of events."""
    asked_for = runs_of(asked, *UNFINISHED, "SUCCESS", "FAILURE", "CANCELED")
    return [one for one in asked_for if one[2] >= str(LAST) and one[3] & GROWING]


@pytest.mark.long(100)
def test_a_file_that_grows_a_daemon_that_is_killed_and_a_folder_that_is_gone(
    station: Station, undisturbed: Undisturbed
) -> None:
    path = station.landing / "events" / f"{LAST}.csv"
    content = path.read_bytes()
    path.unlink()
    with ui(station.root, SETTINGS) as asked:
        asked.start_sensor("landing_sensor")
        grow(path, content)
        assert path.read_bytes() == content
        # The other drops have not waited for it.
        assert asked.all_runs()
        assert loads_of_the_last_day(asked) == []
        whole = ("daily", str(LAST), str(LAST), GROWING)
        wait_until(lambda: whole in runs_of(asked, "SUCCESS"), 2 * WITHIN_SECONDS)
        known = len(asked.all_runs())
        wait_until(
            lambda: any(one["status"] == "STARTED" for one in asked.all_runs()[known:]),
            WITHIN_SECONDS,
            look_seconds=0.1,
        )
        asked.kill("daemon")
        asked.process.wait(WITHIN_SECONDS)

    elsewhere = station.root / "elsewhere"
    station.landing.rename(elsewhere)
    begun = time.time()
    with ui(station.root, SETTINGS) as asked:

        def reasons() -> list[str]:
            ticks = asked.ticks("landing_sensor")
            return [str(one["skipReason"]) for one in ticks if one["timestamp"] > begun]

        wait_until(lambda: any("does not exist" in one for one in reasons()), WITHIN_SECONDS)
        elsewhere.rename(station.landing)
        wait_until(lambda: reasons()[0].startswith("nothing is due"), 2 * WITHIN_SECONDS)
        print(runs_of(asked, "SUCCESS", "FAILURE"), reasons())
        assert loads_of_the_last_day(asked) == [whole]
    assert_as_undisturbed(station, undisturbed.tables)
