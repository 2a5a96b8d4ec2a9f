"""The landing sensor as `harvey ui` runs it: webserver, daemon, runs, asked by GraphQL."""

import json
import os
import time
from datetime import date
from pathlib import Path

import pytest

from harvey_pipeline_tests.builders import EVENTS_WITH_ID, FIRMS, USERS, csv_text, landing_file
from harvey_pipeline_tests.cli.commands import run_harvey, wait_until
from harvey_pipeline_tests.cli.uis import LOOK_SECONDS, WITHIN_SECONDS, ui
from harvey_pipeline_tests.engagement.oracle import expected_tables
from harvey_pipeline_tests.pipelines import Pipeline, assert_same_tables, days_between


def deliver(root: Path, day: str, queries: int = 1) -> None:
    landing_file(root, f"users/{day}.csv", csv_text(USERS, "u1,2024-01-01,Partner"))
    landing_file(root, f"firms/{day}.csv", csv_text(FIRMS, "f1,2023-01-01,10,600"))
    events = [f"{day} 09:0{n}:00,f1,u1,VAULT,1,5,{day}-{n}" for n in range(queries)]
    landing_file(root, f"events/{day}.csv", csv_text(EVENTS_WITH_ID, *events))


RAW = frozenset({"raw.raw_users", "raw.raw_firms", "raw.raw_events"})
DIMENSIONS = frozenset({"core.dim_user", "core.dim_firms"})


@pytest.mark.long(150)
def test_the_sensor_runs_what_arrives_and_what_follows_from_a_correction(tmp_path: Path) -> None:
    first, second, third = "2024-04-29", "2024-04-30", "2024-05-01"
    deliver(tmp_path, first)
    deliver(tmp_path, second)
    with ui(tmp_path) as asked:
        asked.start_sensor("landing_sensor")
        wait_until(lambda: len(asked.runs()) == 3, WITHIN_SECONDS)
        raw, days, months = asked.runs()
        assert raw == ("daily", first, second, RAW)
        assert days[:3] == ("daily", first, second)
        assert days[3] > DIMENSIONS
        assert not days[3] & RAW
        assert months[:3] == ("monthly", "2024-04-01", "2024-04-01")

        # One more event of the first day: its windows follow, people and firms do not.
        deliver_events(tmp_path, first, 2)
        wait_until(lambda: len(asked.runs()) == 6, WITHIN_SECONDS)
        raw, days, months = asked.runs()[3:]
        assert raw == ("daily", first, first, frozenset({"raw.raw_events"}))
        assert days[:3] == ("daily", first, second)
        assert not days[3] & (RAW | DIMENSIONS)
        assert months[:3] == ("monthly", "2024-04-01", "2024-04-01")

        # A day after those that the calendar ended with.
        deliver(tmp_path, third)
        wait_until(lambda: len(asked.runs()) == 9, WITHIN_SECONDS)
        raw, days, months = asked.runs()[6:]
        assert raw == ("daily", third, third, RAW)
        assert days[:3] == ("daily", second, third)
        assert months[0] == "monthly"
        assert months[2] == "2024-05-01"

        # Nothing is asked for twice.
        time.sleep(2.5 * LOOK_SECONDS)
        assert len(asked.runs()) == 9
    told = json.loads(run_harvey(tmp_path, "status", "--json", "--landing-dir", "landing").stdout)
    assert told["due"] == []
    pipeline = Pipeline(tmp_path / "landing", tmp_path / "data", date.fromisoformat(first))
    every = days_between(date.fromisoformat(first), date.fromisoformat(third))
    expected = expected_tables(tmp_path / "landing", every, every[0])
    assert_same_tables(pipeline.tables(), expected)


def deliver_events(root: Path, day: str, queries: int) -> None:
    before = (root / "landing" / "users" / f"{day}.csv").stat()
    deliver(root, day, queries)
    os.utime(root / "landing" / "users" / f"{day}.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
