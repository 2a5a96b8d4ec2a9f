"""Checks as steps of runs: which days they judge, and what they stop."""

from datetime import date

import dagster as dg
import pytest

from harvey_pipeline.checks.declare import declare_checks
from harvey_pipeline.checks.report import ERROR
from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.landing.raw_store import Ingestion, RawStore
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline_tests.instances import forgetful_instance
from harvey_pipeline_tests.places import (
    DAYS,
    FIRMS,
    FIRST,
    LAST,
    MIDDLE,
    PLANS,
    TABLES,
    USERS,
    Place,
    assert_fails,
    events_of,
    failing_rules,
    many_users,
    spoil,
)

pytest_plugins = ["harvey_pipeline_tests.place_fixtures"]

SUMMARY = "marts.daily_event_summary"
DAY = "date = '2024-04-02'"


@pytest.mark.parametrize("table", list(PLANS))
def test_a_sane_table_passes_over_a_range_a_day_and_without_days(place: Place, table: str) -> None:
    partitions = 1 if TABLES[table].is_monthly else 3
    for days, count in ((DAYS, partitions), (DayRange(LAST, LAST), 1), (None, partitions)):
        results = place.evaluate(table, days)
        assert [name for name, result in results.items() if not result.passed] == []
        assert {result.metadata["evaluated_days"].value for result in results.values()} == {count}


@pytest.mark.parametrize("table", list(PLANS))
def test_nothing_passes_for_a_day_that_was_never_run(place: Place, table: str) -> None:
    never = date(2024, 5, 1)
    for result in place.evaluate(table, DayRange(never, never)).values():
        assert not result.passed
        assert result.metadata["days_never_run"].value == [str(never)]


@pytest.mark.parametrize("table", list(PLANS))
def test_nothing_passes_in_a_warehouse_without_days(bare: Place, table: str) -> None:
    bare.landing.mkdir()
    for result in bare.evaluate(table, None).values():
        assert not result.passed
        assert result.description == "No day of this table was ever run. Run some."


def test_a_blocking_failure_stops_what_is_downstream_in_the_same_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that the ledger knows nothing of cannot come of a run, only of hands."""
    ingest = RawStore.ingest

    def ingest_and_lose(
        self: RawStore, source: Source, days: DayRange, *, awaits_checks: bool
    ) -> Ingestion:
        done = ingest(self, source, days, awaits_checks=awaits_checks)
        with self.warehouse.connect() as connection:
            connection.execute("update raw.drops set rows_read = 9 where source = 'users'")
        return done

    monkeypatch.setattr(RawStore, "ingest", ingest_and_lose)
    result = place.run()
    assert not result.success
    assert "rows_are_conserved" in result.failed_checks
    assert result.steps("STEP_FAILURE") == {"raw__raw_users_checks"}
    started = result.steps("STEP_START")
    stopped = {
        "core__dim_user",
        "marts__daily_user_engagement",
        "marts__harvey_analytics_dashboard",
        "marts__usage_by_segment",
    }
    assert not started & stopped
    assert result.steps("STEP_SUCCESS") >= {"core__dim_firms", "marts__daily_event_summary"}


def test_a_shrunken_snapshot_holds_nothing_up(bare: Place) -> None:
    """Its rows are kept out, nobody departs, and every table has its days."""
    for day, count in ((FIRST, 10), (MIDDLE, 3), (LAST, 10)):
        bare.drop("users", day, many_users(count))
        bare.drop("firms", day, FIRMS)
        bare.drop("events", day, events_of(day))
    result = bare.run()
    assert result.success
    assert "snapshot_is_not_shrunken" in result.failed_checks
    for name, table in TABLES.items():
        if name in PLANS:
            assert bare.warehouse.days_written(table) >= (
                {FIRST} if table.is_monthly else {*DAYS.days}
            )
    open_versions = bare.warehouse.query("select user_id from core.dim_user where is_current")
    assert len(open_versions) == 10
    assert bare.warehouse.query("select count(*) from core.dim_user") == [(10,)]
    seen = bare.warehouse.query(
        "select drop_date, is_observed from raw.drops where source = 'users' order by 1"
    )
    assert seen == [(FIRST, True), (MIDDLE, False), (LAST, True)]
    checks = bare.evaluate("raw.raw_users")
    assert_fails(
        checks["snapshot_is_not_shrunken"],
        days=[MIDDLE],
        naming="| users/2024-04-02.csv | drop | 3 | 3 |",
        severity=ERROR,
    )
    assert checks["snapshot_is_not_shrunken"].description == (
        "users/2024-04-02.csv: 3 of 10 ids of the largest of the seven drops before it; its rows "
        "are kept out and nobody departs. Have it delivered again, or put an empty file "
        "users/2024-04-02.accept beside it to let it through; then run the day again."
    )


def test_a_warning_stops_nothing(bare: Place) -> None:
    bare.drop("users", FIRST, [*USERS, "u4,2024-01-05,Of Counsel"])
    bare.drop("firms", FIRST, FIRMS)
    bare.drop("events", FIRST, events_of(FIRST))
    result = bare.run(DayRange(FIRST, FIRST))
    assert result.failed_checks == ["titles_are_known"]
    assert result.success


@pytest.mark.parametrize(
    ("tags", "failing", "evaluated"),
    [
        ({"dagster/partition": "2024-04-02"}, ["2024-04-02"], 1),
        ({"dagster/partition": "2024-04-03"}, None, 1),
        (range_tags(DAYS), ["2024-04-02"], 3),
        ({}, ["2024-04-02"], 3),
    ],
)
def test_checks_run_alone_take_their_days_from_the_run(
    place: Place, tags: dict[str, str], failing: list[str] | None, evaluated: int
) -> None:
    place.sql(*spoil(SUMMARY, "vault_events = 9", DAY))
    definitions = dg.Definitions(
        asset_checks=[declare_checks(PLANS[SUMMARY])],
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.all_asset_checks())],
        resources={"warehouse": place.warehouse, "raw_store": place.raw_store},
    )
    result = definitions.resolve_job_def("checks").execute_in_process(
        instance=forgetful_instance(),
        tags=tags,
        raise_on_error=False,
    )
    [found] = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "schema_holds"
    ]
    assert found.metadata["evaluated_days"].value == evaluated
    assert found.passed == (failing is None)
    if failing is not None:
        assert found.metadata["failing_days"].value == failing
        assert list(failing_rules(found.metadata)) == ["events_add_up_by_type"]


def test_an_exception_is_not_swallowed(place: Place) -> None:
    place.sql(f"drop table {SUMMARY}", f"create table {SUMMARY} (date date)")
    with pytest.raises(Exception, match="was made by another version"):
        place.evaluate(SUMMARY)


def test_an_audit_evaluates_every_check_over_all_days_and_computes_nothing(place: Place) -> None:
    place.sql("update marts.power_curve set users = -1 where date = '2024-04-02'")
    before = place.warehouse.generation()
    result = place.audit()
    evaluated = {(one.asset_key, one.check_name) for one in result.evaluations}
    assert len(evaluated) == sum(len(plan.checks) for plan in PLANS.values())
    failed = {
        str(one.check_name): str(one.description) for one in result.evaluations if not one.passed
    }
    assert set(failed) == {"schema_holds", "curve_equals_activity"}
    assert all("2024-04-02" in told for told in failed.values())
    assert not result.steps("ASSET_MATERIALIZATION")
    assert place.warehouse.generation() == before
