"""`harvey ui` with the processes that it starts, asked by GraphQL."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from harvey_pipeline_tests.cli.commands import HARVEY, environment, wait_until

WITHIN_SECONDS: Final = 240

LOOK_SECONDS: Final = 5
"""Between two looks of the sensor, as often as Dagster lets it look."""

Run = tuple[str, str, str, frozenset[str]]
"""A run's job, first and last partition, and the tables that it was asked for."""

RUNS: Final = """
{ runsOrError { ... on Runs { results {
  runId jobName status creationTime tags { key value } assetSelection { path }
} } } }
"""
MATERIALISED: Final = """
query ($run: ID!) {
  runOrError(runId: $run) { ... on Run { assetMaterializations {
    assetKey { path } metadataEntries { label ... on IntMetadataEntry { intValue } }
  } } }
}
"""
REPOSITORIES: Final = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }
"""
TICKS: Final = """
query ($selector: InstigationSelector!) {
  instigationStateOrError(instigationSelector: $selector) {
    ... on InstigationState { ticks(limit: 100) { timestamp status skipReason runIds } }
  }
}
"""
START: Final = """
mutation ($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }
"""
START_SCHEDULE: Final = """
mutation ($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) { __typename }
}
"""

UNFINISHED: Final = frozenset({"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"})

PARTS: Final = {"daemon": "dagster._daemon run", "webserver": "dagster_webserver"}
"""What the command lines of Dagster's processes have in them."""


class Ui:
    """Dagster's UI of a folder, asked by GraphQL."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log

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

    def _selector(self, field: str, name: str) -> dict[str, str]:
        [found] = self.ask(REPOSITORIES)["repositoriesOrError"]["nodes"]
        return {
            field: name,
            "repositoryName": found["name"],
            "repositoryLocationName": found["location"]["name"],
        }

    def start_sensor(self, name: str) -> None:
        started = self.ask(START, selector=self._selector("sensorName", name))
        assert started["startSensor"]["__typename"] == "Sensor"

    def start_schedule(self, name: str) -> None:
        started = self.ask(START_SCHEDULE, selector=self._selector("scheduleName", name))
        assert started["startSchedule"]["__typename"] == "ScheduleStateResult"

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """What came of each look of a sensor or schedule, the latest first."""
        told = self.ask(TICKS, selector=self._selector("name", name))
        ticks: list[dict[str, Any]] = told["instigationStateOrError"]["ticks"]
        return ticks

    def all_runs(self) -> list[dict[str, Any]]:
        """Every run, whatever came of it, in the order in which they were asked for."""
        results = self.ask(RUNS)["runsOrError"]["results"]
        return sorted(results, key=lambda one: float(one["creationTime"]))

    def runs(self) -> list[Run]:
        """The runs that succeeded, in the order in which they were asked for; none failed."""
        results = self.all_runs()
        assert {one["status"] for one in results} <= UNFINISHED | {"SUCCESS"}, results
        return [describe(one) for one in results if one["status"] == "SUCCESS"]

    def computed(self, run: dict[str, Any]) -> list[str]:
        """The tables of which a run loaded or computed anything: it may find all of it done."""
        told = self.ask(MATERIALISED, run=run["runId"])["runOrError"]["assetMaterializations"]
        computed = set()
        for one in told:
            counts = {entry["label"]: entry.get("intValue") for entry in one["metadataEntries"]}
            if counts.get("partitions_computed") or counts.get("rows_read") is not None:
                computed.add(".".join(one["assetKey"]["path"]))
        return sorted(computed)

    def kill(self, part: str) -> None:
        """Kill Dagster's daemon or its webserver."""
        [pid] = [pid for pid, line in processes_of(self.process.pid).items() if PARTS[part] in line]
        os.kill(pid, signal.SIGKILL)


def describe(run: dict[str, Any]) -> Run:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    tables = frozenset(".".join(key["path"]) for key in run["assetSelection"] or ())
    first, last = (tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
    return run["jobName"], first, last, tables


def processes_of(session: int) -> dict[int, str]:
    """The command lines of the processes of a session, by id."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,sess=,args="], capture_output=True, text=True, check=True
    )
    fields = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    return {int(one[0]): one[2] for one in fields if len(one) == 3 and one[1] == str(session)}


@contextmanager
def ui(
    folder: Path, settings: Mapping[str, str] | None = None, landing: str = "landing"
) -> Iterator[Ui]:
    """`harvey ui` in a folder, with the processes that it starts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = folder / "ui.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [*HARVEY, "ui", "--port", str(port), "--landing-dir", landing],
            cwd=folder,
            env=environment() | {"HARVEY_LOOK_SECONDS": str(LOOK_SECONDS)} | dict(settings or {}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    made = Ui(process, f"http://127.0.0.1:{port}", path)
    try:
        wait_until(lambda: "Ctrl-C stops it" in path.read_text(), WITHIN_SECONDS)
        yield made
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        finally:
            kill_the_rest(process)


def kill_the_rest(process: subprocess.Popen[bytes]) -> None:
    """End whatever of the process's session is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
