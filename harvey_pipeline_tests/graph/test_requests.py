"""What the landing sensor asks for, over several looks at a folder that changes."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from harvey_pipeline.definitions import build_definitions, choose_subjects
from harvey_pipeline.graph.calendar import Calendar
from harvey_pipeline.graph.dead_runs import DEAD_TAG
from harvey_pipeline.graph.due import Stage
from harvey_pipeline.graph.partitions import days_of_tags
from harvey_pipeline.graph.requests import STATE_TAG, Watched, request_due
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.builders import (
    EVENTS,
    FIRMS,
    USERS,
    csv_text,
    landing_file,
    raw_store,
)
from harvey_pipeline_tests.pipelines import GRAPH, TABLES

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
BEFORE = YESTERDAY - timedelta(days=1)
RAW = {"raw.raw_users", "raw.raw_firms", "raw.raw_events"}
NEVER, AT_ONCE = 24, 0


class Looks:
    """The sensor over a landing folder, which remembers its cursor as the daemon does."""

    def __init__(
        self,
        root: Path,
        instance: dg.DagsterInstance,
        hour: int = NEVER,
        store: RawStore | None = None,
    ) -> None:
        self.store: RawStore = store or raw_store(root, str(BEFORE))
        self.instance = instance
        self.cursor: str | None = None
        self.definitions = build_definitions(
            choose_subjects(("engagement", "agents")),
            Calendar(BEFORE, None),
            self.store.warehouse,
            self.store,
            hour,
        )

    def look(self) -> list[dg.RunRequest] | str:
        """The requests of a look, or why there are none."""
        # File systems tell time in steps.
        time.sleep(0.05)
        sensor = self.definitions.resolve_sensor_def("landing_sensor")
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"warehouse": self.store.warehouse, "raw_store": self.store},
        ) as context:
            told: Any = sensor(context)
        assert isinstance(told, dg.SensorResult)
        self.cursor = told.cursor
        if told.run_requests:
            return list(told.run_requests)
        return str(told.skip_reason and told.skip_reason.skip_message)

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def(str(request.job_name))
        return job.execute_in_process(
            instance=self.instance,
            tags=dict(request.tags),
            asset_selection=request.asset_selection,
            raise_on_error=False,
        )


def deliver(root: Path, day: date, *sources: str) -> None:
    texts = {
        "users": csv_text(USERS, "u1,2024-01-01,Partner"),
        "firms": csv_text(FIRMS, "f1,2023-01-01,10,600"),
        "events": csv_text(EVENTS, f"{day} 09:00:00,f1,u1,VAULT,1,5"),
    }
    for source in sources or texts:
        landing_file(root, f"{source}/{day}.csv", texts[source])


def tables_of(request: dg.RunRequest) -> set[str]:
    return {".".join(key.path) for key in request.asset_selection or ()}


def asked(answer: list[dg.RunRequest] | str) -> dg.RunRequest:
    assert isinstance(answer, list), answer
    [request] = answer
    return request


def test_a_file_is_left_alone_until_it_stood_still_between_two_looks(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY)
    told = looks.look()
    assert told == "nothing is due; 3 files have changed since the last look"
    path = tmp_path / "landing" / "events" / f"{YESTERDAY}.csv"
    # It grows, and its time of modification is set back.
    stat = path.stat()
    path.write_text(path.read_text() * 2)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    request = asked(looks.look())
    assert tables_of(request) == {"raw.raw_users", "raw.raw_firms"}
    assert tables_of(asked(looks.look())) == RAW


def test_a_folder_is_left_alone_until_it_says_that_it_is_complete(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY, "users", "firms")
    text = csv_text(EVENTS, f"{YESTERDAY} 09:00:00,f1,u1,VAULT,1,5")
    landing_file(tmp_path, f"events/{YESTERDAY}/part-1.csv", text)
    assert looks.look() == "nothing is due; 3 files have changed since the last look"
    landing_file(tmp_path, f"events/{YESTERDAY}/part-2.csv", text)
    assert tables_of(asked(looks.look())) == {"raw.raw_users", "raw.raw_firms"}
    # A part has come, and it is the last one.
    landing_file(tmp_path, f"events/{YESTERDAY}/part-3.csv", text)
    landing_file(tmp_path, f"events/{YESTERDAY}/_SUCCESS")
    assert tables_of(asked(looks.look())) == RAW


@pytest.mark.long
def test_a_run_of_several_days_leaves_alone_what_still_grows(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A run computes what is due of its days and tables: such a file may not be among them.

    The day before waits too, for late events that the file may bring.
    """
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, BEFORE)
    deliver(tmp_path, YESTERDAY)
    path = tmp_path / "landing" / "events" / f"{YESTERDAY}.csv"

    def grow_and_run() -> list[tuple[DayRange | None, set[str]]]:
        path.touch()
        answer = looks.look()
        assert isinstance(answer, list), answer
        assert all(looks.run(one).success for one in answer)
        return [(days_of_tags(dict(one.tags)), tables_of(one)) for one in answer]

    looks.look()
    before, yesterday = DayRange(BEFORE, BEFORE), DayRange(YESTERDAY, YESTERDAY)
    assert grow_and_run() == [(before, RAW), (yesterday, RAW - {"raw.raw_events"})]
    dimensions, quality = {"core.dim_user", "core.dim_firms"}, "marts.data_quality_daily"
    assert grow_and_run() == [(before, dimensions | {quality}), (yesterday, dimensions)]
    for query in (
        "select drop_date from raw.drops where source = 'events'",
        f"select distinct drop_date from {quality}",
    ):
        assert looks.store.warehouse.query(query) == [(BEFORE,)]
    looks.look()
    assert tables_of(asked(looks.look())) == {"raw.raw_events"}


@pytest.mark.long
def test_drops_days_and_months_are_asked_for_one_after_the_other_and_once(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY)
    looks.look()
    request = asked(looks.look())
    assert tables_of(request) == RAW
    assert days_of_tags(dict(request.tags)) == DayRange(YESTERDAY, YESTERDAY)
    assert asked(looks.look()).run_key == request.run_key
    assert looks.run(request).success
    days = asked(looks.look())
    assert not tables_of(days) & RAW
    assert looks.run(days).success
    months = asked(looks.look())
    assert months.job_name == "monthly"
    assert looks.run(months).success
    assert looks.look() == "nothing is due"


@pytest.mark.long
def test_a_state_of_which_a_run_failed_is_not_asked_for_again(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY)
    landing_file(tmp_path, f"events/{YESTERDAY}.csv", "created\n")
    looks.look()
    # The good sources are loaded, so that something else is due than before.
    assert not looks.run(asked(looks.look())).success
    again = asked(looks.look())
    assert tables_of(again) == {"raw.raw_events"}
    failed = looks.run(again)
    assert not failed.success
    assert str(looks.look()).startswith(
        f"what is due was asked for already and did not succeed: run {failed.run_id}."
    )
    deliver(tmp_path, YESTERDAY, "events")
    looks.look()
    assert tables_of(asked(looks.look())) == {"raw.raw_events"}


def test_what_one_list_of_stages_waits_for_holds_up_no_other(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY, "users", "events")
    first, second = (Stage("daily", (TABLES[name],)) for name in sorted(RAW - {"raw.raw_firms"}))
    watched = Watched.impatiently(GRAPH, Calendar(BEFORE, None), looks.store)
    together = request_due(instance, watched, [[first, second]], YESTERDAY)
    assert isinstance(together, list)
    assert [tables_of(one) for one in together] == [{"raw.raw_events"}]
    apart = request_due(instance, watched, [[first], [second]], YESTERDAY)
    assert isinstance(apart, list)
    assert [tables_of(one) for one in apart] == [{"raw.raw_events"}, {"raw.raw_users"}]


@pytest.mark.long
def test_what_was_computed_and_not_published_is_asked_for_once(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """A run that is killed between the two leaves nothing due."""
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, BEFORE)
    deliver(tmp_path, YESTERDAY)
    for _ in range(4):
        answer = looks.look()
        if isinstance(answer, list):
            assert all(looks.run(one).success for one in answer)
    assert looks.look() == "nothing is due"
    published = published_path(looks.store.warehouse.path)
    published.unlink()
    request = asked(looks.look())
    generation = looks.store.warehouse.generation()
    assert looks.run(request).success
    assert looks.store.warehouse.generation() == generation
    with duckdb.connect(str(published), read_only=True) as copy:
        assert copy.execute("select count(*) from core.dim_user").fetchall() == [(1,)]
    assert looks.look() == "nothing is due"


def test_a_state_whose_run_was_killed_is_asked_for_again_but_not_for_ever(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY)
    looks.look()
    job = looks.definitions.resolve_job_def("daily")
    keys = []
    for _ in range(3):
        request = asked(looks.look())
        keys.append(request.run_key)
        killed = instance.create_run_for_job(job, tags={**request.tags, DEAD_TAG: "true"})
        instance.report_run_failed(killed)
    # Dagster asks for a key once.
    assert len(set(keys)) == 3
    assert f"did not succeed: run {killed.run_id}" in str(looks.look())


@pytest.mark.long
def test_a_run_that_is_not_over_is_waited_for(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, YESTERDAY)
    looks.look()
    job = looks.definitions.resolve_job_def("daily")
    run = instance.create_run_for_job(job)
    assert looks.look() == f"run {run.run_id} is not over yet"


@pytest.mark.parametrize("hour", [NEVER, AT_ONCE])
def test_yesterday_waits_for_its_drops_until_an_hour_of_today(
    tmp_path: Path, instance: dg.DagsterInstance, hour: int
) -> None:
    looks = Looks(tmp_path, instance, hour)
    deliver(tmp_path, BEFORE)
    deliver(tmp_path, YESTERDAY, "users")
    looks.look()
    days = days_of_tags(dict(asked(looks.look()).tags))
    assert days == DayRange(BEFORE, BEFORE if hour == NEVER else YESTERDAY)


@pytest.mark.long
def test_a_day_that_was_missed_is_asked_for_by_the_schedule_and_once(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Two ticks of the schedule, an hour apart, with the run of the first one failed between."""
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, BEFORE)
    deliver(tmp_path, YESTERDAY)
    landing_file(tmp_path, f"events/{BEFORE}.csv", "created\n")

    def tick(hour: int) -> Any:
        at = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, hour, tzinfo=UTC)
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at + timedelta(days=1),
            resources={"warehouse": looks.store.warehouse, "raw_store": looks.store},
        ) as context:
            return looks.definitions.resolve_schedule_def("daily_schedule")(context)

    [request] = tick(6)
    assert days_of_tags(dict(request.tags)) == DayRange(BEFORE, YESTERDAY)
    assert tables_of(request) > RAW
    job = looks.definitions.resolve_job_def("daily")
    failed = instance.create_run_for_job(job, tags=dict(request.tags))
    instance.report_run_failed(failed)
    told = tick(7)
    assert isinstance(told, dg.SkipReason)
    assert f"run {failed.run_id}." in str(told.skip_message)
    assert request.tags[STATE_TAG] == failed.tags[STATE_TAG]


@pytest.mark.long
def test_a_landing_folder_that_is_gone_or_empty_is_a_reason_to_wait(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Where a folder is not mounted, all drops seem to be gone."""
    looks = Looks(tmp_path, instance)
    deliver(tmp_path, BEFORE)
    deliver(tmp_path, YESTERDAY)
    looks.look()
    assert looks.run(asked(looks.look())).success
    (tmp_path / "landing").rename(tmp_path / "elsewhere")
    assert "does not exist" in str(looks.look())
    (tmp_path / "landing").mkdir()
    assert "holds no drops" in str(looks.look())
    (tmp_path / "landing").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "landing")
    looks.look()
    assert not tables_of(asked(looks.look())) & RAW
