"""From landing files to KPIs: the tables are those of the reference, however they are run."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvey_pipeline.tables import RAW_TABLES
from harvey_pipeline_tests.oracle import expected_tables
from harvey_pipeline_tests.pipelines import (
    KEYS,
    Pipeline,
    Rows,
    assert_same_tables,
    days_between,
    groups_of,
)

SAMPLE = Path(__file__).parents[1] / "data" / "landing"
FIRST, LAST = date(2024, 4, 1), date(2024, 6, 30)

DOWN_THE_GRAPH = (
    *RAW_TABLES.values(),
    "core.dim_user",
    "core.dim_firms",
    "core.user_daily_activity",
    "marts.daily_user_engagement",
    "marts.daily_firm_usage_summary",
    "marts.daily_event_summary",
    "marts.harvey_analytics_dashboard",
)


one_worker = pytest.mark.xdist_group("one_run")
"""Tests that look at the same run, which so takes place once."""


@pytest.fixture(scope="session")
def reference() -> dict[str, Rows]:
    return expected_tables(SAMPLE, days_between(FIRST, LAST), FIRST)


@pytest.fixture(scope="session")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    pipeline = Pipeline(SAMPLE, tmp_path_factory.mktemp("one_run"), FIRST)
    pipeline.run(FIRST, LAST)
    return pipeline


@one_worker
def test_one_run_over_the_sample_gives_the_reference(
    one_run: Pipeline, reference: dict[str, Rows]
) -> None:
    assert_same_tables(one_run.tables(), reference)


@one_worker
def test_running_again_changes_nothing(one_run: Pipeline, reference: dict[str, Rows]) -> None:
    loaded = one_run.warehouse.query("select source, drop_date, loaded_at from raw.drops")
    one_run.run(date(2024, 5, 1), date(2024, 5, 20))
    assert_same_tables(one_run.tables(), reference)
    again = one_run.warehouse.query("select source, drop_date, loaded_at from raw.drops")
    assert sorted(again) == sorted(loaded)


@one_worker
def test_every_record_read_is_accepted_or_in_quarantine(one_run: Pipeline) -> None:
    drops = one_run.rows("raw.drops")
    assert any(row["rows_rejected"] for row in drops)
    assert all(row["rows_read"] == row["rows_accepted"] + row["rows_rejected"] for row in drops)
    rejected = {(row["source"], row["drop_date"]): 0 for row in drops}
    for row in one_run.rows("raw.quarantine"):
        rejected[row["source"], row["drop_date"]] += row["action"] == "rejected"
    assert rejected == {(row["source"], row["drop_date"]): row["rows_rejected"] for row in drops}


@pytest.mark.long
def test_day_by_day_as_the_schedule_runs_gives_the_same_tables(
    tmp_path: Path, reference: dict[str, Rows]
) -> None:
    pipeline = Pipeline(SAMPLE, tmp_path, FIRST)
    for day in days_between(FIRST, LAST):
        pipeline.run(max(FIRST, day - timedelta(days=1)), day)
    assert_same_tables(pipeline.tables(), reference)


@pytest.mark.long
def test_each_asset_in_random_order_and_grouping_gives_the_same_tables(
    tmp_path: Path, reference: dict[str, Rows]
) -> None:
    choose = random.Random(7)
    pipeline = Pipeline(SAMPLE, tmp_path, FIRST)
    for asset in DOWN_THE_GRAPH:
        groups = _random_groups(choose, days_between(FIRST, LAST))
        # Some days are run a second time, in another group.
        for group in [*groups, *choose.sample(groups, 2)]:
            pipeline.run(group[0], group[-1], asset)
    assert_same_tables(pipeline.tables(), reference)


def _random_groups(choose: random.Random, days: list[date]) -> list[list[date]]:
    groups = []
    while days:
        size = choose.choice([1, 7, 17, 31])
        groups.append(days[:size])
        days = days[size:]
    choose.shuffle(groups)
    return groups


BULK_USERS = """ID,TITLE,CREATED
u1,Partner,1/15/2024
u2,Associate,4/3/2024
u2,Senior Associate,4/6/2024
u3,,13/1/2024
u4,Partner,
"""
BULK_FIRMS = """ID,CREATED,FIRM_SIZE,ARR_IN_THOUSANDS
f1,12/1/2023,30,250.5
f2,4/4/2024,4,99
"""
BULK_EVENTS = """CREATED,FIRM_ID,USER_ID,EVENT_TYPE,NUM_DOCS,FEEDBACK_SCORE
4/2/2024,f1,u1,ASSISTANT,3,5
4/2/2024,f1,u1,ASSISTANT,3,5
4/3/2024,f1,u2,VAULT,10,4
4/9/2024,f2,u9,WORKFLOW,0,
4/5/2024,f2,u2,Vault,7,2
0/5/2024,f2,u2,VAULT,7,2
"""


def test_a_bulk_export_of_three_files_runs_as_it_comes(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    for source, text in (("users", BULK_USERS), ("firms", BULK_FIRMS), ("events", BULK_EVENTS)):
        (landing / f"{source}.csv").write_text(text)
    first, last = date(2024, 4, 2), date(2024, 4, 9)
    pipeline = Pipeline(landing, tmp_path, first)
    pipeline.run(first, last)
    tables = pipeline.tables()
    assert_same_tables(tables, expected_tables(landing, days_between(first, last), first))
    totals = {row["date"].day: row["total_events"] for row in tables["marts.daily_event_summary"]}
    assert totals == {2: 2, 3: 1, 4: 0, 5: 1, 6: 0, 7: 0, 8: 0, 9: 1}
    undated = [row for row in tables["raw.quarantine"] if row["drop_date"] is None]
    assert [(row["source"], row["line_number"]) for row in sorted(undated, key=str)] == [
        ("events", 7),
        ("users", 5),
        ("users", 6),
    ]


def test_bulk_exports_run_backwards_give_the_same_tables(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    for source, text in (("users", BULK_USERS), ("firms", BULK_FIRMS), ("events", BULK_EVENTS)):
        (landing / f"{source}.csv").write_text(text)
    days = days_between(date(2024, 4, 2), date(2024, 4, 9))
    pipeline = Pipeline(landing, tmp_path, days[0])
    for asset in DOWN_THE_GRAPH:
        for group in reversed(groups_of(days, [1, 3])):
            pipeline.run(group[0], group[-1], asset)
    assert_same_tables(pipeline.tables(), expected_tables(landing, days, days[0]))


def test_every_table_is_compared() -> None:
    assert set(DOWN_THE_GRAPH) | {"raw.drops", "raw.quarantine"} == set(KEYS)
