"""The landing sensor as `harvey ui` runs it: webserver, daemon, runs, asked by GraphQL."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.builders import EVENTS_WITH_ID, FIRMS, USERS, csv_text, landing_file
from harvey_pipeline_tests.cli.commands import HARVEY, environment, run_harvey, wait_until
from harvey_pipeline_tests.oracle import expected_tables
from harvey_pipeline_tests.pipelines import Pipeline, assert_same_tables, days_between

WITHIN_SECONDS = 240
LOOK_SECONDS = 30

Run = tuple[str, str, str, frozenset[str]]
"""A run's job, first and last partition, and the tables that it was asked for."""

RUNS = """
{ runsOrError { ... on Runs { results {
  jobName status creationTime tags { key value } assetSelection { path }
} } } }
"""
REPOSITORIES = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }
"""
START = """
mutation ($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }
"""


def deliver(root: Path, day: str, queries: int = 1) -> None:
    landing_file(root, f"users/{day}.csv", csv_text(USERS, "u1,2024-01-01,Partner"))
    landing_file(root, f"firms/{day}.csv", csv_text(FIRMS, "f1,2023-01-01,10,600"))
    events = [f"{day} 09:0{n}:00,f1,u1,VAULT,1,5,{day}-{n}" for n in range(queries)]
    landing_file(root, f"events/{day}.csv", csv_text(EVENTS_WITH_ID, *events))


class Ui:
    """Dagster's UI of a folder, asked by GraphQL."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"{self.address}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        assert "errors" not in told, told
        return told["data"]

    def start_sensor(self, name: str) -> None:
        [found] = self.ask(REPOSITORIES)["repositoriesOrError"]["nodes"]
        selector = {
            "sensorName": name,
            "repositoryName": found["name"],
            "repositoryLocationName": found["location"]["name"],
        }
        assert self.ask(START, selector=selector)["startSensor"]["__typename"] == "Sensor"

    def runs(self) -> list[Run]:
        """The runs that succeeded, in the order in which they were asked for."""
        results = self.ask(RUNS)["runsOrError"]["results"]
        assert {one["status"] for one in results} <= {
            *("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "SUCCESS")
        }, results
        done = [one for one in results if one["status"] == "SUCCESS"]
        return [_describe(one) for one in sorted(done, key=lambda one: one["creationTime"])]


def _describe(run: dict[str, Any]) -> Run:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    tables = frozenset(".".join(key["path"]) for key in run["assetSelection"] or ())
    first, last = (tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    return run["jobName"], first, last, tables


@contextmanager
def ui(folder: Path) -> Iterator[Ui]:
    """`harvey ui` in a folder, with the processes that it starts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "ui.log").open("w") as log:
        process = subprocess.Popen(
            [*HARVEY, "ui", "--port", str(port), "--landing-dir", "landing"],
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    made = Ui(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: "Ctrl-C stops it" in (folder / "ui.log").read_text(), WITHIN_SECONDS)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        finally:
            kill_the_rest(process)


def kill_the_rest(process: subprocess.Popen[bytes]) -> None:
    """End whatever of the process's session is left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


RAW = frozenset({"raw.raw_users", "raw.raw_firms", "raw.raw_events"})
DIMENSIONS = frozenset({"core.dim_user", "core.dim_firms"})


@pytest.mark.long
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
