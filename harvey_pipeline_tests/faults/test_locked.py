"""Another process takes the warehouse from under a run that has begun."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from harvey_pipeline_tests.faults.conftest import Undisturbed
from harvey_pipeline_tests.faults.stations import Station, assert_as_undisturbed, go_on

HOLD: Final = """
import duckdb, sys, time
with duckdb.connect(sys.argv[1]):
    print("held")
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held(station: Station, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The warehouse, made if need be, in the hands of another process for so many seconds."""
    station.warehouse.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-u", "-c", HOLD, str(station.warehouse), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


@pytest.mark.long
def test_for_five_seconds(station: Station, undisturbed: Undisturbed) -> None:
    run = station.stop("run_about_to_begin")
    with held(station, 5) as holder:
        started = time.monotonic()
        finished = go_on(run)
    assert time.monotonic() - started > 4
    assert finished.returncode == 0, finished.stdout
    told = [line for line in finished.stdout.splitlines() if "waiting for" in line]
    assert told, finished.stdout
    assert all(f"PID {holder.pid}" in line for line in told)
    assert_as_undisturbed(station, undisturbed.tables)


@pytest.mark.long
def test_for_longer_than_the_limit(station: Station, undisturbed: Undisturbed) -> None:
    settings = {"HARVEY_LOCK_TIMEOUT_SECONDS": "2"}
    run = station.stop("run_about_to_begin", settings)
    with held(station, 240) as holder:
        finished = go_on(run)
    assert finished.returncode == 1, finished.stdout
    [told] = [line for line in finished.stdout.splitlines() if "still locked after 2 s" in line]
    assert f"PID {holder.pid}" in told
    assert "Wait for that process or stop it, then run again" in told
    station.run_well()
    assert_as_undisturbed(station, undisturbed.tables)
