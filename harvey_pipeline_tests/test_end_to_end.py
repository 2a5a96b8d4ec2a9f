"""From landing files to KPIs: the tables are those of the reference, however they are run."""

import random
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from harvey_pipeline import engagement
from harvey_pipeline.engagement.sample import SampleSpec, write_sample
from harvey_pipeline_tests.builders import EVENTS, FIRMS, USERS, csv_text, landing_file
from harvey_pipeline_tests.engagement.oracle import expected_tables
from harvey_pipeline_tests.pipelines import (
    DAILY_ASSETS,
    KEYS,
    MONTHLY_ASSETS,
    TABLES,
    Pipeline,
    Rows,
    assert_same_rows,
    assert_same_tables,
    days_between,
    groups_of,
)

SAMPLE = Path(__file__).parents[1] / "data" / "landing"
FIRST, LAST = date(2024, 4, 1), date(2024, 6, 30)


@pytest.fixture(scope="session")
def reference() -> dict[str, Rows]:
    return expected_tables(SAMPLE, days_between(FIRST, LAST), FIRST)


@pytest.fixture(scope="session")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    pipeline = Pipeline(SAMPLE, tmp_path_factory.mktemp("one_run"), FIRST)
    pipeline.run_all(FIRST, LAST)
    return pipeline


@pytest.mark.long
def test_one_run_over_the_sample_gives_the_reference(
    one_run: Pipeline, reference: dict[str, Rows]
) -> None:
    assert_same_tables(one_run.tables(), reference)


@pytest.mark.long
def test_running_again_changes_nothing(one_run: Pipeline, reference: dict[str, Rows]) -> None:
    loaded = one_run.warehouse.query("select source, drop_date, loaded_at from raw.drops")
    one_run.run_all(date(2024, 5, 1), date(2024, 5, 20))
    assert_same_tables(one_run.tables(), reference)
    again = one_run.warehouse.query("select source, drop_date, loaded_at from raw.drops")
    assert sorted(again) == sorted(loaded)


@pytest.mark.long
def test_every_record_read_is_accepted_or_in_quarantine(one_run: Pipeline) -> None:
    drops = one_run.rows("raw.drops")
    assert any(row["rows_rejected"] for row in drops)
    assert all(row["rows_read"] == row["rows_accepted"] + row["rows_rejected"] for row in drops)
    rejected = {(row["source"], row["drop_date"]): 0 for row in drops}
    for row in one_run.rows("raw.quarantine"):
        rejected[row["source"], row["drop_date"]] += row["action"] == "rejected"
    assert rejected == {(row["source"], row["drop_date"]): row["rows_rejected"] for row in drops}


@pytest.mark.long(120)
def test_day_by_day_as_the_schedule_runs_gives_the_same_tables(
    tmp_path: Path, reference: dict[str, Rows]
) -> None:
    """Five weeks by the day, then by the week; the monthly schedule looks now and then."""
    pipeline = Pipeline(SAMPLE, tmp_path, FIRST)
    days = days_between(FIRST, LAST)
    for before, day in pairwise([FIRST, *days[:35], *days[41::7]]):
        pipeline.run(before, day)
        if day.day in (2, 17) or day == LAST:
            due = pipeline.months_due(FIRST, day)
            pipeline.run_months(due[0], due[-1])
            assert pipeline.months_due(FIRST, day) == []
    assert_same_tables(pipeline.tables(), reference)


@pytest.mark.long(120)
def test_each_asset_in_random_order_and_grouping_gives_the_same_tables(
    tmp_path: Path, reference: dict[str, Rows]
) -> None:
    choose = random.Random(7)
    pipeline = Pipeline(SAMPLE, tmp_path, FIRST)
    for asset in DAILY_ASSETS:
        groups = _random_groups(choose, days_between(FIRST, LAST))
        # Some days are run a second time, in another group.
        for group in [*groups, *choose.sample(groups, 2)]:
            pipeline.run(group[0], group[-1], asset)
    for asset in MONTHLY_ASSETS:
        for month in (6, 4, 5, 6):
            pipeline.run_months(date(2024, month, 1), date(2024, month, 1), asset)
    assert_same_tables(pipeline.tables(), reference)


def _random_groups(choose: random.Random, days: list[date]) -> list[list[date]]:
    groups = []
    while days:
        size = choose.choice([1, 7, 17, 31])
        groups.append(days[:size])
        days = days[size:]
    choose.shuffle(groups)
    return groups


@pytest.mark.long
def test_a_day_that_is_run_again_changes_only_what_it_must(tmp_path: Path) -> None:
    """The drop of 10 May held a user who never worked before or after; corrected, it does not."""
    landing, first, corrected = tmp_path / "landing", date(2024, 4, 20), date(2024, 5, 10)
    spec = SampleSpec(users=20, firms=5, days=50, events_per_day=20, dirty=0, start=first)
    write_sample(landing, spec)
    last = first + timedelta(days=49)
    drop = landing / "events" / f"{corrected}.csv"
    header, *lines = drop.read_text().splitlines()
    columns = header.split(",")
    record = dict(zip(columns, lines[0].split(","), strict=True)) | {"user_id": "newcomer"}
    record |= {name: "newcomer-1" for name in columns if name == "event_id"}
    drop.write_text("\n".join([header, *lines, ",".join(record[name] for name in columns)]) + "\n")

    pipeline = Pipeline(landing, tmp_path, first)
    pipeline.run_all(first, last)
    before = pipeline.tables()
    drop.write_text("\n".join([header, *lines]) + "\n")
    pipeline.run(corrected, corrected)
    assert pipeline.months_due(FIRST, LAST) == [date(2024, 5, 1), date(2024, 6, 1)]
    pipeline.run_months(corrected, date(2024, 6, 1))
    after = pipeline.tables()

    for name, changed in changed_slices(before, after).items():
        allowed = {corrected} if name not in MONTHLY_ASSETS else {date(2024, 5, 1)}
        assert changed <= allowed, name
    expected = expected_tables(landing, days_between(first, last), first)
    whole = [name for name in KEYS if TABLES[name].day_column is None]
    for name in (*whole, *MONTHLY_ASSETS, "core.user_daily_activity"):
        assert_same_rows(name, after[name], expected[name])
    firsts = [row["entity_id"] for row in before["core.first_activity"]]
    assert "newcomer" in firsts
    assert "newcomer" not in [row["entity_id"] for row in after["core.first_activity"]]


def changed_slices(before: dict[str, Rows], after: dict[str, Rows]) -> dict[str, set[date]]:
    """For each table that is cut into slices, the days or months of rows that differ."""
    changed = {}
    for name in KEYS:
        column = TABLES[name].day_column
        if column is not None:
            old, new = (
                {tuple(row.items()) for row in one[name] if name != "raw.quarantine"}
                for one in (before, after)
            )
            changed[name] = {dict(row)[column] for row in old ^ new}
    return changed


@pytest.mark.long
def test_an_earlier_activity_outside_the_range_of_a_backfill_counts(tmp_path: Path) -> None:
    """A user of 2 April who comes back in June is not new, though June alone is loaded."""
    for day in days_between(date(2024, 4, 1), date(2024, 6, 30)):
        busy = day in (date(2024, 4, 2), date(2024, 6, 20))
        for source, lines in (
            ("users", [USERS, "u1,2024-01-01,Partner"]),
            ("firms", [FIRMS, "f1,2024-01-01,10,100"]),
            ("events", [EVENTS, *[f"{day} 09:00:00,f1,u1,VAULT,1,5"] * busy]),
        ):
            landing_file(tmp_path, f"{source}/{day}.csv", csv_text(*lines))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, date(2024, 4, 1))
    pipeline.run(date(2024, 4, 1), date(2024, 4, 3))
    pipeline.run_all(date(2024, 6, 1), date(2024, 6, 30))
    growth = {
        (row["date"].day, row["grain"]): (row["new"], row["resurrected"])
        for row in pipeline.rows("marts.growth_accounting")
        if row["date"].month == 6
    }
    assert growth[19, "user"] == growth[19, "firm"] == (0, 0)
    assert growth[20, "user"] == growth[20, "firm"] == (0, 1)
    cohorts = {row["cohort_month"] for row in pipeline.rows("months.retention_cohorts")}
    assert cohorts == {date(2024, 4, 1)}


@pytest.mark.long
def test_a_month_that_turns_out_to_be_over_sees_its_firms_on_its_last_day(tmp_path: Path) -> None:
    """No events are delivered for 31 January, so that only February tells that January is over."""
    days = days_between(date(2024, 1, 28), date(2024, 2, 1))
    for day in days:
        firm = "f1,2024-01-01,5,900" if day >= date(2024, 1, 31) else "f1,2024-01-01,10,100"
        landing_file(tmp_path, f"users/{day}.csv", csv_text(USERS, "u1,2024-01-01,Partner"))
        landing_file(tmp_path, f"firms/{day}.csv", csv_text(FIRMS, firm))
        if day != date(2024, 1, 31):
            event = f"{day} 09:00:00,f1,u1,VAULT,1,5"
            landing_file(tmp_path, f"events/{day}.csv", csv_text(EVENTS, event))
    pipeline = Pipeline(tmp_path / "landing", tmp_path, days[0])
    pipeline.run_all(days[0], date(2024, 1, 31))
    (january,) = pipeline.rows("months.firm_usage_summary")
    assert january["firm_size"] == 10
    pipeline.run(days[-1], days[-1])
    due = pipeline.months_due(days[0], days[-1])
    assert due == [date(2024, 1, 1), date(2024, 2, 1)]
    pipeline.run_months(due[0], due[-1])
    assert_same_tables(pipeline.tables(), expected_tables(tmp_path / "landing", days, days[0]))


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


@pytest.mark.long(10)
def test_a_bulk_export_of_three_files_runs_as_it_comes(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    for source, text in (("users", BULK_USERS), ("firms", BULK_FIRMS), ("events", BULK_EVENTS)):
        (landing / f"{source}.csv").write_text(text)
    first, last = date(2024, 4, 2), date(2024, 4, 9)
    pipeline = Pipeline(landing, tmp_path, first)
    pipeline.run_all(first, last)
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


@pytest.mark.long
def test_bulk_exports_run_backwards_give_the_same_tables(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    for source, text in (("users", BULK_USERS), ("firms", BULK_FIRMS), ("events", BULK_EVENTS)):
        (landing / f"{source}.csv").write_text(text)
    days = days_between(date(2024, 4, 2), date(2024, 4, 9))
    pipeline = Pipeline(landing, tmp_path, days[0])
    for asset in DAILY_ASSETS:
        for group in reversed(groups_of(days, [1, 3])):
            pipeline.run(group[0], group[-1], asset)
    pipeline.run_months(days[0], days[-1])
    assert_same_tables(pipeline.tables(), expected_tables(landing, days, days[0]))


def test_every_table_is_compared() -> None:
    assert {*DAILY_ASSETS, *MONTHLY_ASSETS, "raw.drops", "raw.quarantine"} == set(KEYS)
    assert {table.name for table in engagement.SUBJECT.raw_tables} < set(DAILY_ASSETS)
