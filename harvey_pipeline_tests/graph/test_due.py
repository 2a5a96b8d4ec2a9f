"""What is due, and that running just that leaves what running everything would."""

import dataclasses
import os
import random
import shutil
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from harvey_pipeline.checks import declare
from harvey_pipeline.graph.due import CODE, NEVER, NOT_CHECKED, DueRange, Graph, find_due
from harvey_pipeline.graph.partitions import months_touched
from harvey_pipeline.landing.day_files import Parsed
from harvey_pipeline.landing.ingestion import Ingester
from harvey_pipeline.warehouse.commits import hold_back
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.builders import (
    EVENTS_WITH_ID,
    FIRMS,
    USERS,
    csv_text,
    landing_file,
)
from harvey_pipeline_tests.engagement.oracle import expected_tables
from harvey_pipeline_tests.pipelines import GRAPH, TABLES, Pipeline, assert_same_tables

FIRST = date(2024, 4, 1)
FIRM = "f1,2023-01-01,10,600"
TITLES = {"u1": "Partner", "u2": "Associate"}


def day(number: int) -> date:
    """The days of the tests, from 1 on."""
    return FIRST + timedelta(days=number - 1)


def deliver(root: Path, on: date, titles: dict[str, str] | None = None, late: str = "") -> None:
    """A whole day: each user asks once, and a late event of the day before if one is wanted."""
    shown = TITLES if titles is None else titles
    users = [f"{user},2024-01-01,{title}" for user, title in shown.items()]
    events = [f"{on} 09:00:00,f1,{user},VAULT,1,5,{on}-{user}" for user in TITLES]
    events += [f"{on - timedelta(days=1)} 23:00:00,f1,{late},VAULT,1,5,{on}-late"] if late else []
    landing_file(root, f"users/{on}.csv", csv_text(USERS, *users))
    landing_file(root, f"firms/{on}.csv", csv_text(FIRMS, FIRM))
    landing_file(root, f"events/{on}.csv", csv_text(EVENTS_WITH_ID, *events))


def run_days(root: Path, last: int) -> Pipeline:
    """Days from 1 on, delivered and run."""
    for number in range(1, last + 1):
        deliver(root, day(number))
    pipeline = Pipeline(root / "landing", root, FIRST)
    pipeline.run_due(day(1), day(last))
    return pipeline


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days 1 to 7, run."""
    root = tmp_path_factory.mktemp("filled")
    run_days(root, 7)
    return root


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Pipeline:
    """Days 1 to 7, run, to be changed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Pipeline(tmp_path / "landing", tmp_path, FIRST)


def days_run(runs: Sequence[DueRange], table: str) -> set[date]:
    return {one.day for some in runs for one in some.due if one.table == table}


def committed_since(pipeline: Pipeline, generation: int) -> set[str]:
    rows = pipeline.warehouse.query(
        "select distinct table_name from meta.commits where generation > ?", [generation]
    )
    return {name for (name,) in rows}


def numbers(days: set[date]) -> list[int]:
    return sorted((one - FIRST).days + 1 for one in days)


def test_nothing_is_due_once_everything_was_run_and_again_after_a_touch(
    filled: Pipeline, tmp_path: Path
) -> None:
    assert list(filled.find_due(day(1), day(7))) == []
    path = tmp_path / "landing" / "events" / f"{day(5)}.csv"
    path.touch()
    assert list(filled.find_due(day(1), day(7))) == []


def test_of_days_that_are_asked_for_nothing_follows_from_those_beyond(
    filled: Pipeline, tmp_path: Path
) -> None:
    """The drop of day 8 may complete day 7, and the months; a run until day 7 cannot know that."""
    deliver(tmp_path, day(8), late="u1")
    plan = filled.find_due(day(1), day(8))
    activity = "core.user_daily_activity"
    assert numbers(set(plan.due[activity])) == [7, 8]
    until = {
        name: DayRange(day(1).replace(day=1) if table.is_monthly else day(1), day(7))
        for name, table in plan.graph.tables.items()
    }
    assert list(plan.limited(until)) == []
    alone = {name: DayRange(some.first, day(8)) for name, some in until.items()}
    assert numbers(set(plan.limited(alone).due[activity])) == [7, 8]


def test_a_blank_line_more_costs_its_parse_and_judging_only(
    filled: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "landing" / "events" / f"{day(5)}.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, "", *rows, ""]) + "\n")
    before = filled.warehouse.generation()
    runs = filled.run_due(day(1), day(7))
    assert [some.tables for some in runs] == [["raw.raw_events"], ["marts.data_quality_daily"]]
    assert committed_since(filled, before) == {"raw.drops", "raw.drops/events", "raw.quarantine"}


def test_a_drop_delivered_anew_with_bad_rows_more_is_judged_anew(
    filled: Pipeline, tmp_path: Path
) -> None:
    """Its accepted rows are the same, so that nothing else is due, nor another source's day."""
    path = tmp_path / "landing" / "events" / f"{day(5)}.csv"
    path.write_text(path.read_text() + f"{day(5)} 10:00:00,f1,,VAULT,1,5,bad\n")
    runs = filled.run_due(day(1), day(7))
    assert [some.tables for some in runs] == [["raw.raw_events"], ["marts.data_quality_daily"]]
    [judged] = runs[1].due
    assert judged.day == day(5)
    assert judged.reason == f"raw.drops/events of {day(5)} changed after it"
    every = [day(number) for number in range(1, 8)]
    expected = expected_tables(tmp_path / "landing", every, FIRST)
    assert_same_tables(filled.tables(), expected)
    [(reasons, level)] = filled.warehouse.query(
        "select rejected_by_reason, level from marts.data_quality_daily "
        "where source = 'events' and drop_date = ?",
        [day(5)],
    )
    assert (reasons, level) == ('{"missing_user_id": 1}', "critical")
    assert list(filled.find_due(day(1), day(7))) == []


def test_content_that_changes_behind_an_old_time_stamp_is_found(
    filled: Pipeline, tmp_path: Path
) -> None:
    path = tmp_path / "landing" / "events" / f"{day(5)}.csv"
    stat = path.stat()
    path.write_text(path.read_text().replace("VAULT", "vault"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    due = list(filled.find_due(day(5), day(5)))
    assert [one.reason for one in due if one.table == "raw.raw_events"] == ["events drop changed"]


@pytest.mark.long
def test_a_corrected_drop_of_events_makes_due_what_its_windows_touch(tmp_path: Path) -> None:
    """Windows as the definitions give them; events of a drop are its day's and the day before's."""
    filled = run_days(tmp_path, 70)
    deliver(tmp_path, day(5), late="u3")
    runs = filled.run_due(day(1), day(70))
    assert numbers(days_run(runs, "raw.raw_events")) == [5]
    assert days_run(runs, "raw.raw_users") == days_run(runs, "core.dim_user") == set()
    assert numbers(days_run(runs, "core.user_daily_activity")) == [4, 5]
    # Activity of day 4 is another, that of day 5 the same: 30 days, 28 and 2 x 28 from day 4 on.
    # The event summary may say something else of a volume 56 days on, and the dashboard reads what
    # it says of 59 days before: planned until day 120, as far as there are days.
    for table, last, planned in (
        ("marts.daily_user_engagement", 33, 34),
        ("marts.daily_firm_usage_summary", 33, 34),
        ("marts.power_curve", 31, 32),
        ("marts.usage_by_segment", 59, 60),
        ("marts.harvey_analytics_dashboard", 63, 70),
    ):
        changed = filled.warehouse.state([TABLES[table]])
        newest = max(changed.changes(table).values())
        days = {one for one, at in changed.changes(table).items() if at == newest}
        assert numbers(days)[0] == 4, table
        assert numbers(days)[-1] <= last, table
        assert max(numbers(days_run(runs, table))) <= planned, table


@pytest.mark.long
def test_a_corrected_snapshot_reaches_just_as_far_as_its_versions(tmp_path: Path) -> None:
    """u2 is shown as Partner on day 10 only: its version of that day alone is another."""
    filled = run_days(tmp_path, 70)
    deliver(tmp_path, day(10), titles={"u1": "Partner", "u2": "Partner"})
    before = filled.warehouse.generation()
    filled.run_due(day(1), day(70))
    changes = filled.warehouse.state().changed
    newer = {
        name: numbers({one for one, at in by_day.items() if at > before})
        for name, by_day in changes.items()
    }
    # From day 11 on it is an Associate again, in a version that starts that day.
    assert newer["core.dim_user"] == list(range(10, 71))
    assert newer["marts.daily_user_engagement"] == [10]
    assert newer.get("core.user_daily_activity", []) == []


@pytest.mark.long
def test_a_partition_held_back_is_due_until_it_is_computed_again(tmp_path: Path) -> None:
    deliver(tmp_path, day(1))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, FIRST)
    pipeline.run_due(day(1), day(1))
    with pipeline.warehouse.connect() as connection:
        hold_back(connection, TABLES["raw.raw_events"], [day(1)], "schema_holds")
    due = pipeline.find_due(day(1), day(1))
    [raw] = due.due["raw.raw_events"].values()
    assert raw.reason == "events held back by schema_holds"
    assert due.due["marts.power_curve"][day(1)].follows
    pipeline.run_due(day(1), day(1))
    assert list(pipeline.find_due(day(1), day(1))) == []


@pytest.mark.parametrize("table", ["raw.raw_events", "marts.daily_event_summary"])
def test_a_partition_whose_checks_never_ran_is_due(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    def die(*_: object) -> NoReturn:
        raise KeyError("killed")

    filled.run(day(7), day(7), table)
    assert list(filled.find_due(day(1), day(7))) == []
    with monkeypatch.context() as killed:
        killed.setattr(declare, "evaluate_days", die)
        assert not filled.run(day(7), day(7), table, checks=True).success
    due = filled.find_due(day(1), day(7)).due[table]
    assert {one.day: one.reason.removeprefix("events ") for one in due.values()} == {
        day(7): NOT_CHECKED
    }
    assert filled.run(day(7), day(7), table, checks=True).success
    assert list(filled.find_due(day(1), day(7))) == []


def test_rows_that_are_gone_from_the_raw_store_are_loaded_again(
    filled: Pipeline, tmp_path: Path
) -> None:
    before = filled.tables()
    shutil.rmtree(tmp_path / "warehouse.raw")
    due = filled.find_due(day(1), day(7)).due
    assert {one.reason for one in due["raw.raw_users"].values()} == {
        "users rows have gone from the raw store"
    }
    assert numbers(set(due["raw.raw_events"])) == [1, 2, 3, 4, 5, 6, 7]
    generation = filled.warehouse.generation()
    filled.run_due(day(1), day(7))
    assert filled.warehouse.generation() == generation
    assert_same_tables(filled.tables(), before)


def test_a_drop_that_was_another_while_it_was_loaded_stays_due(
    filled: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "landing" / "events" / f"{day(5)}.csv"
    text = path.read_text()
    parse = Ingester.parse

    def parse_another(self: Ingester, days: Sequence[date]) -> list[Parsed]:
        path.write_text(text.replace("VAULT", "ASSISTANT"))
        parsed = parse(self, days)
        path.write_text(text)
        return parsed

    with monkeypatch.context() as swapped:
        swapped.setattr(Ingester, "parse", parse_another)
        filled.run(day(5), day(5), "raw.raw_events")
    assert set(filled.find_due(day(5), day(5)).due["raw.raw_events"]) == {day(5)}
    filled.run_due(day(1), day(7))
    [kinds] = filled.warehouse.query("select list(distinct event_type) from raw.raw_events")
    assert kinds == (["VAULT"],)


def test_a_marker_beside_a_bulk_export_makes_the_drops_after_it_due(tmp_path: Path) -> None:
    """Late events of days that the export covers belong to it, but only where its rows count."""
    bad = [f"{day(1)} 09:00:00,f1,u1,NONSENSE,1,5,{number}" for number in range(10)]
    good = f"{day(1)} 09:00:00,f1,u1,VAULT,1,5,a"
    landing_file(tmp_path, "events.csv", csv_text(EVENTS_WITH_ID, good, *bad))
    late = f"{day(1)} 10:00:00,f1,u1,VAULT,1,5,b"
    landing_file(tmp_path, f"events/{day(2)}.csv", csv_text(EVENTS_WITH_ID, late))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, FIRST)

    def rejected() -> int:
        pipeline.run(day(1), day(2), "raw.raw_events")
        [(count,)] = pipeline.warehouse.query(
            "select rows_rejected from raw.drops where form = 'drop'"
        )
        return int(count)

    assert rejected() == 0
    landing_file(tmp_path, "events.accept", "")
    assert set(pipeline.find_due(day(1), day(2)).due["raw.raw_events"]) == {day(1), day(2)}
    assert rejected() == 1


@pytest.mark.long
def test_records_without_a_day_follow_an_export_that_no_day_needs(tmp_path: Path) -> None:
    """Every day has drops of its own, so that the first of them answers for the exports."""
    for number in (1, 2):
        deliver(tmp_path, day(number))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, FIRST)
    raw = ("raw.raw_users", "raw.raw_events")
    pipeline.run(day(1), day(2), *raw)

    def due_and_then_undated() -> tuple[dict[str, list[int]], list[tuple[str, int]]]:
        plan = pipeline.find_due(day(1), day(2))
        due = {name: numbers(set(plan.due[name])) for name in raw if name in plan.due}
        for name, found in due.items():
            pipeline.run(day(found[0]), day(found[-1]), name)
        undated = pipeline.warehouse.query(
            "select source, line_number from raw.quarantine where drop_date is null order by all"
        )
        return due, undated

    dated = f"{day(2)} 09:00:00,f1,u1,VAULT,1,5,a"
    undated = "never,f1,u1,VAULT,1,5,b"
    landing_file(tmp_path, "events.csv", csv_text(EVENTS_WITH_ID, dated, undated))
    landing_file(tmp_path, "users.csv", csv_text(USERS, "u1,never,Partner"))
    first = {name: [1] for name in raw}
    assert due_and_then_undated() == (first, [("events", 3), ("users", 2)])
    assert due_and_then_undated() == ({}, [("events", 3), ("users", 2)])
    # Whether the export's rows count is no matter of these days.
    landing_file(tmp_path, "events.accept", "")
    assert due_and_then_undated()[0] == {}

    landing_file(tmp_path, "events.csv", csv_text(EVENTS_WITH_ID, undated, dated))
    changed = {"raw.raw_events": [1]}
    assert due_and_then_undated() == (changed, [("events", 2), ("users", 2)])
    for name in ("events.csv", "users.csv"):
        (tmp_path / "landing" / name).unlink()
    assert due_and_then_undated() == (first, [])


@pytest.mark.long
def test_an_asset_of_another_version_is_due_with_what_reads_it(tmp_path: Path) -> None:
    deliver(tmp_path, day(1))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, FIRST)
    pipeline.run_due(day(1), day(1))
    changed = tuple(
        dataclasses.replace(asset, code=("another",))
        if asset.table.name == "marts.usage_by_segment"
        else asset
        for asset in GRAPH.assets
    )
    days = DayRange(day(1), day(1))
    plan = find_due(
        Graph(GRAPH.sources, changed),
        pipeline.warehouse,
        pipeline.raw_store,
        days,
        months_touched(days),
    )
    assert {one.table: one.reason for one in plan if not one.follows} == {
        "marts.usage_by_segment": CODE
    }
    assert {one.table for one in plan if one.follows} == {
        "marts.growth_accounting",
        "marts.active_usage",
    }


def test_what_was_never_run_is_due_in_the_order_of_computing(tmp_path: Path) -> None:
    deliver(tmp_path, day(1))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, FIRST)
    plan = pipeline.find_due(day(1), day(2))
    assert not pipeline.warehouse.path.exists()
    assert {(one.day, one.reason) for one in plan if one.table == "raw.raw_users"} == {
        (day(1), "users drop arrived"),
        (day(2), "never run"),
    }
    assert {one.reason for one in plan if one.table == "core.dim_user"} == {NEVER}
    order = [one.table for one in plan]
    assert order.index("core.user_daily_activity") < order.index("marts.usage_by_segment")


# --- random histories ----------------------------------------------------------------------------

_USERS = ("u1", "u2", "u3", "u4")
_ROLES = ("Partner", "Associate", "Senior Associate")


class World:
    """A landing folder of so many days that changes at random, and the days that it ever had."""

    def __init__(self, root: Path, seed: int, days: int) -> None:
        self.days = days
        self.random = random.Random(seed)
        self.root = root
        self.known: set[date] = set()

    def deliver(self, source: str, on: date) -> None:
        self.known.add(on)
        chance = self.random
        lines = {
            "users": [
                f"{user},2024-0{chance.randint(1, 3)}-01,{chance.choice(_ROLES)}"
                for user in _USERS
                if chance.random() < 0.9
            ],
            "firms": [f"f{n},2023-01-01,{chance.randint(5, 9)},60" for n in (1, 2)],
            "events": [
                f"{on - timedelta(days=chance.random() < 0.2)} 0{hour}:00:00,"
                f"f{chance.randint(1, 2)},{chance.choice(_USERS)},VAULT,{hour},{hour % 5 + 1},"
                for hour in range(chance.randint(0, 5))
            ],
        }[source]
        header = {"users": USERS, "firms": FIRMS, "events": EVENTS_WITH_ID}[source]
        landing_file(self.root, f"{source}/{on}.csv", csv_text(header, *lines))

    def begin(self) -> None:
        for number in range(1, self.days):
            for source in ("users", "firms", "events"):
                if number == 1 or self.random.random() < 0.85:
                    self.deliver(source, day(number))

    def change(self) -> None:
        """One thing that happens to a landing folder."""
        source = self.random.choice(("users", "users", "firms", "events", "events"))
        on = day(self.random.randint(2, self.days + 1))
        path = self.root / "landing" / source / f"{on}.csv"
        what = self.random.choice(("deliver", "deliver", "remove", "accept", "blank"))
        if what == "deliver" or not path.exists():
            self.deliver(source, on)
        elif what == "remove":
            path.unlink()
        elif what == "accept":
            path.with_suffix(".accept").touch()
        else:
            path.write_text(path.read_text() + "\n")


@pytest.mark.parametrize(
    ("seed", "days"),
    [
        pytest.param(1, 6, marks=pytest.mark.long(20)),
        *(pytest.param(seed, 45, marks=pytest.mark.long) for seed in (2, 3)),
    ],
)
def test_running_what_is_due_leaves_what_a_full_run_would(
    tmp_path: Path, seed: int, days: int
) -> None:
    world = World(tmp_path, seed, days)
    world.begin()
    pipeline = Pipeline(tmp_path / "landing", tmp_path / "due", FIRST)
    for _ in range(3 if days > 6 else 1):
        last = max(world.known)
        pipeline.run_due(FIRST, last)
        if world.random.random() < 0.5:
            # Somebody materialises some days of some assets by hand.
            first = day(world.random.randint(1, days))
            tables = [asset.table for asset in GRAPH.assets if not asset.table.is_monthly]
            pipeline.run(first, first, world.random.choice(tables).name)
        for _ in range(world.random.randint(1, 3)):
            world.change()
    last = max(world.known)
    pipeline.run_due(FIRST, last)
    full = Pipeline(tmp_path / "landing", tmp_path / "full", FIRST)
    full.run_all(FIRST, last)
    assert_same_tables(pipeline.tables(), full.tables())
    assert list(pipeline.find_due(FIRST, last)) == []
