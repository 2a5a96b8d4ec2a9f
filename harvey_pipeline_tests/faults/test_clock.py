"""Over midnight and a month's end, with the clock of real processes set to just before them.

The days lie ahead of the system's own, so that drops were delivered before they are looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from harvey_pipeline_tests.cli.commands import wait_until
from harvey_pipeline_tests.cli.uis import UNFINISHED, Ui, describe, ui
from harvey_pipeline_tests.engagement.oracle import expected_tables
from harvey_pipeline_tests.faults.clocks import Clock
from harvey_pipeline_tests.faults.stations import WITHIN_SECONDS, Station, deliver, go_on
from harvey_pipeline_tests.pipelines import assert_same_tables, days_between

_TODAY: Final = datetime.now(UTC).date()
NEXT_MONTH: Final = (_TODAY.replace(day=1) + timedelta(days=70)).replace(day=1)
LAST: Final = NEXT_MONTH - timedelta(days=1)
"""The last day of a month, weeks ahead."""
FIRST: Final = LAST - timedelta(days=2)

LOOK: Final = "Checking for new runs for sensor: landing_sensor"
RAW: Final = frozenset({"raw.raw_users", "raw.raw_firms", "raw.raw_events"})


@pytest.fixture
def ahead(tmp_path: Path) -> Station:
    return deliver(tmp_path, FIRST, LAST)


def at(day: date, hour: int, minute: int, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second)


def time_to_start(seconds: float) -> timedelta:
    """What the UI needs at most until it is at work where a run takes so many seconds."""
    return timedelta(seconds=15 + 3 * seconds)


def assert_as_the_reference(station: Station, last: date) -> None:
    expected = expected_tables(station.landing, days_between(FIRST, last), FIRST)
    assert_same_tables(station.tables(), expected)


@pytest.mark.long
def test_a_run_that_goes_on_over_midnight_and_a_months_end(ahead: Station) -> None:
    clock = Clock.at(at(LAST, 23, 59, 40))
    run = ahead.stop("run_about_to_begin", clock.settings())
    wait_until(lambda: clock.now().date() == NEXT_MONTH, WITHIN_SECONDS)
    over_midnight = go_on(run)
    assert over_midnight.returncode == 0, over_midnight.stdout
    assert f"Running {FIRST} to {LAST - timedelta(days=1)} (2 days in 1 month)" in (
        over_midnight.stdout
    )
    assert_as_the_reference(ahead, LAST - timedelta(days=1))

    after = ahead.run(settings=clock.settings())
    assert after.returncode == 0, after.stdout
    assert f"{LAST}: users drop arrived" in after.stdout
    assert_as_the_reference(ahead, LAST)


@contextmanager
def at_work(station: Station, clock: Clock) -> Iterator[Ui]:
    """The UI by a clock, with the sensor and both schedules on."""
    with ui(station.root, {"HARVEY_START_DATE": str(FIRST)} | clock.settings()) as asked:
        asked.start_schedule("daily_schedule")
        asked.start_schedule("monthly_schedule")
        asked.start_sensor("landing_sensor")
        yield asked


def wait_until_idle(asked: Ui, first_runs: int) -> None:
    """Wait until so many runs were asked for, none goes on, and two looks asked for no more."""
    looks: list[tuple[int, int]] = []

    def is_idle() -> bool:
        runs = asked.all_runs()
        if len(runs) < first_runs or any(one["status"] in UNFINISHED for one in runs):
            looks.clear()
        looks.append((len(runs), asked.log.read_text().count(LOOK)))
        same = [count for number, count in looks if number == len(runs)]
        return len(runs) >= first_runs and same[-1] - same[0] >= 2

    wait_until(is_idle, 2 * WITHIN_SECONDS)


@pytest.mark.long(150)
def test_sensor_and_schedules_over_midnight_and_a_months_end(ahead: Station) -> None:
    """The last day of the month is no day until it is over, and then a day of a whole month."""
    seconds = ahead.run_well(settings=Clock.at(at(LAST, 12, 0, 0)).settings())
    assert_as_the_reference(ahead, LAST - timedelta(days=1))
    clock = Clock.at(at(NEXT_MONTH, 0, 0, 0) - time_to_start(seconds))
    with at_work(ahead, clock) as asked:
        known = len(asked.all_runs())
        assert clock.now().date() == LAST
        wait_until_idle(asked, known + 3)
        raw, days, months = (describe(one) for one in asked.all_runs()[known:])
    assert raw == ("daily", str(LAST), str(LAST), RAW)
    assert days[2] == str(LAST)
    assert months[:3] == ("monthly", str(LAST.replace(day=1)), str(LAST.replace(day=1)))
    assert_as_the_reference(ahead, LAST)


@pytest.mark.long(150)
def test_sensor_and_daily_schedule_share_the_work(ahead: Station) -> None:
    """A day's last drop arrives just before the schedule's hour, and a correction after that.

    Whichever of the two looks first asks for what is due; the other asks for nothing of it, or,
    where both look in the same moment, for a run that finds it done.
    """
    last_drop = ahead.landing / "events" / f"{LAST}.csv"
    kept = ahead.root / "kept.csv"
    last_drop.rename(kept)
    seconds = ahead.run_well(settings=Clock.at(at(LAST, 12, 0, 0)).settings())
    hour = at(NEXT_MONTH, 6, 0, 0)
    clock = Clock.at(hour - time_to_start(seconds))
    with at_work(ahead, clock) as asked:

        def runs_asked_for(name: str) -> list[str]:
            return [run for tick in asked.ticks(name) for run in tick["runIds"]]

        known = len(asked.all_runs())
        assert runs_asked_for("landing_sensor") == []
        wait_until(lambda: clock.now() >= hour - timedelta(seconds=5), WITHIN_SECONDS)
        kept.rename(last_drop)
        wait_until(lambda: bool(asked.ticks("daily_schedule")), WITHIN_SECONDS)
        wait_until_idle(asked, known + 2)
        arrived = asked.all_runs()[known:]
        with (ahead.landing / "users" / f"{FIRST}.csv").open("a") as file:
            file.write(f"late_row,{FIRST},Partner\n")
        wait_until_idle(asked, known + len(arrived) + 2)
        runs = asked.all_runs()[known:]
        by = {
            name: runs_asked_for(name)
            for name in ("landing_sensor", "daily_schedule", "monthly_schedule")
        }
        assert len(asked.ticks("daily_schedule")) == 1
        # A month rests on which days raw covers, too. Where its schedule looks after these were
        # loaded, and before their day is asked for, it is computed then and once more.
        for some in (arrived, runs[len(arrived) :]):
            tables = [asked.computed(one) for one in some]
            have_days = ["core.dim_user" in each for each in tables]
            assert any(have_days)
            computed = [
                table
                for place, each in enumerate(tables)
                for table in each
                if place > have_days.index(True) or not table.startswith("months.")
            ]
            assert len(computed) == len(set(computed)), [describe(one) for one in some]
    # Each run was asked for by one of them, and none loads or computes a day of a table again.
    assert sorted(run for asked_for in by.values() for run in asked_for) == sorted(
        one["runId"] for one in runs
    )
    assert by["landing_sensor"]
    assert {(job, last) for job, _, last, _ in map(describe, arrived)} == {
        ("daily", str(LAST)),
        ("monthly", str(LAST.replace(day=1))),
    }
    corrected = [describe(one) for one in runs[len(arrived) :]]
    assert corrected[0][:2] == ("daily", str(FIRST))
    assert corrected[0][3] == {"raw.raw_users"}
    assert_as_the_reference(ahead, LAST)
