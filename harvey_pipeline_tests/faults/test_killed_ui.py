"""`harvey ui` is stopped and killed, whole or in part, while the landing sensor is on."""

import os
import random
import signal
import time
from typing import Final

import pytest

from harvey_pipeline.warehouse.publishing import is_behind
from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.cli.uis import UNFINISHED, Ui, ui
from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import (
    FIRST,
    WITHIN_SECONDS,
    Station,
    assert_as_undisturbed,
)

SEED: Final = 20240430
_choose = random.Random(SEED)
KILLS: Final = [(part, round(_choose.uniform(1, 16), 1)) for part in ("daemon", "webserver")]
"""What is killed, and how many seconds after the UI answers."""

SETTINGS: Final = {"HARVEY_START_DATE": str(FIRST)}


def is_idle(asked: Ui, station: Station) -> bool:
    """Whether all is computed and readers see it."""
    if any(one["status"] in UNFINISHED for one in asked.all_runs()):
        return False
    if not station.warehouse.exists() or station.is_anything_due():
        return False
    return not is_behind(station.pipeline.warehouse)


def wait_for_a_run(asked: Ui) -> None:
    wait_until(
        lambda: any(one["status"] == "STARTED" for one in asked.all_runs()),
        WITHIN_SECONDS,
        look_seconds=0.1,
    )


@pytest.mark.long(120)
def test_killed_and_stopped_again_and_again(station: Station, undisturbed: Undisturbed) -> None:
    print(f"seed {SEED}: {KILLS}")
    # The whole machine goes down, so to speak, before the first run has committed anything.
    with ui(station.root, SETTINGS) as asked:
        asked.start_sensor("landing_sensor")
        wait_for_a_run(asked)
        os.killpg(asked.process.pid, signal.SIGKILL)

    # It is stopped as it should be, in the middle of a run.
    with ui(station.root, SETTINGS) as asked:
        wait_for_a_run(asked)
        asked.process.send_signal(signal.SIGTERM)
        assert asked.process.wait(WITHIN_SECONDS) == 128 + signal.SIGTERM

    for part, seconds in KILLS:
        with ui(station.root, SETTINGS) as asked:
            time.sleep(seconds)
            asked.kill(part)
            assert asked.process.wait(WITHIN_SECONDS) == 1
            last = asked.log.read_text().strip().splitlines()[-1]
            assert last.startswith("harvey: Dagster's UI has ended by itself")
            assert "Start it again with `harvey ui`" in last

    with ui(station.root, SETTINGS) as asked:
        wait_until(lambda: is_idle(asked, station), WITHIN_SECONDS)
        print([(one["jobName"], one["status"]) for one in asked.all_runs()])
    assert_as_undisturbed(station, undisturbed.tables)
