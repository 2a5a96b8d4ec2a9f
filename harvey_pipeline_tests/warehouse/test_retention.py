"""Rows that are kept no longer: which they are, that they go, and that nothing computes them."""

from datetime import date

import dagster as dg
import duckdb
import pytest

from harvey_pipeline import definitions
from harvey_pipeline.checks.declare import evaluate_days
from harvey_pipeline.definitions import ALL_SUBJECTS, check_plans, graph_of, tables_of
from harvey_pipeline.graph.computing import DUE_TAG
from harvey_pipeline.graph.due import Due, find_due, out_of_reach
from harvey_pipeline.graph.partitions import range_tags
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.warehouse import retention
from harvey_pipeline.warehouse.archive import archive_month, archived_days
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.publishing import publish
from harvey_pipeline.warehouse.retention import (
    Cutoff,
    Expired,
    cutoffs_of,
    delete_expired,
    find_expired,
    keep_of,
    last_day_computed,
    outside_days,
)
from harvey_pipeline.warehouse.table import Keep
from harvey_pipeline.warehouse.warehouse import published_path
from harvey_pipeline_tests.instances import forgetful_instance
from harvey_pipeline_tests.test_subject import FIRST, LAST, SECOND, Library
from harvey_pipeline_tests.tiny import CIRCULATION, SUBJECT

APRIL = date(2024, 4, 1)
DATES = f"select date from {CIRCULATION} order by date"
ROWS = f"select * from {CIRCULATION} order by date"
MONDAYS_TOO = {CIRCULATION: Cutoff.of(Keep(1, mondays=3), LAST)}
"""Of three days, Monday to Wednesday, all but the Tuesday."""


def raw_store(library: Library) -> RawStore:
    return RawStore(
        root=str(library.root / "raw"),
        landing_dir=str(library.landing),
        start_date=str(FIRST),
        warehouse=library.warehouse,
    )


def due(library: Library) -> list[Due]:
    days, months = DayRange(FIRST, LAST), DayRange(APRIL, APRIL)
    plan = find_due(graph_of([SUBJECT]), library.warehouse, raw_store(library), days, months)
    return list(plan)


def run_due(library: Library) -> dg.ExecuteInProcessResult:
    return library.definitions.resolve_job_def("tiny_daily").execute_in_process(
        instance=forgetful_instance(),
        tags={**range_tags(DayRange(FIRST, LAST)), DUE_TAG: "true"},
        raise_on_error=False,
    )


def correct_the_reviews(library: Library) -> None:
    for path in (library.landing / "reviews").iterdir():
        path.write_text(path.read_text().replace(",2\n", ",5\n").replace(",4\n", ",1\n"))


# --- which days ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_kept"),
    [
        pytest.param(date(2024, 6, 5), True, id="the-day-itself-a-wednesday"),
        pytest.param(date(2024, 5, 7), True, id="29-days-before"),
        pytest.param(date(2024, 5, 6), True, id="30-days-before-a-monday"),
        pytest.param(date(2024, 5, 5), False, id="31-days-before-a-sunday"),
        pytest.param(date(2024, 2, 12), True, id="114-days-before-a-monday"),
        pytest.param(date(2024, 2, 13), False, id="a-tuesday"),
        pytest.param(date(2024, 2, 5), False, id="121-days-before-a-monday"),
    ],
)
def test_scores_are_kept_for_30_days_and_mondays_for_119(day: date, is_kept: bool) -> None:
    scores = tables_of(ALL_SUBJECTS)["segments.engagement_scores"]
    assert scores.keep is not None
    assert Cutoff.of(scores.keep, date(2024, 6, 5)).keeps(day) is is_kept


def test_a_monday_can_be_computed_until_the_next_one_has_come() -> None:
    """On the Sunday after it the Mondays of the 112 days before it are all there yet."""
    tables = tables_of(ALL_SUBJECTS)
    [asset] = [
        one for one in graph_of(ALL_SUBJECTS).assets if one.table.name == "segments.user_segments"
    ]
    monday = date(2024, 6, 3)
    for as_of, expected in ((date(2024, 6, 9), set()), (date(2024, 6, 10), {monday})):
        scores = tables["segments.engagement_scores"]
        assert scores.keep is not None
        cutoff = Cutoff.of(scores.keep, as_of)
        days = DayRange(date(2024, 1, 1), as_of).days
        gone = {scores.name: {day for day in days if not cutoff.keeps(day)}}
        week = DayRange(monday, date(2024, 6, 9)).days
        assert out_of_reach(asset, week, gone) == expected


@pytest.mark.parametrize(
    ("name", "days", "users_days"),
    [
        ("segments.user_segments", 365, None),
        ("segments.labels", 365, 500),
        ("segments.user_daily_access", 400, None),
        ("segments.recommendations", 90, None),
        ("llm.llm_traces", 90, None),
        ("segments.tenant_engagement", 2557, None),
        ("marts.harvey_analytics_dashboard", 2557, 500),
        ("months.firm_usage_summary", 2557, None),
        ("marts.daily_user_engagement", None, None),
        ("marts.daily_user_engagement", 500, 500),
        ("conversations.conversations", 500, 500),
        ("core.dim_user", None, 500),
        ("raw.drops", None, 500),
        ("raw.raw_users", None, 500),
    ],
)
def test_tables_say_for_how_long_they_are_kept(
    name: str, days: int | None, users_days: int | None
) -> None:
    keep = keep_of(tables_of(ALL_SUBJECTS)[name], users_days)
    assert (keep.days if keep else None) == days


def test_what_others_need_all_of_is_kept() -> None:
    tables = tables_of(ALL_SUBJECTS)
    wanted = [tables["agents.customer_daily"], tables["marts.daily_user_engagement"]]
    found = cutoffs_of(wanted, 400, {"agents.customer_daily"}, LAST)
    assert [table.name for table in found] == ["marts.daily_user_engagement"]


# --- deleting ------------------------------------------------------------------------------------


def test_rows_are_counted_and_then_deleted(library: Library) -> None:
    assert last_day_computed(library.warehouse, [CIRCULATION]) == LAST
    cutoff = MONDAYS_TOO[CIRCULATION]
    expected = [Expired(CIRCULATION, cutoff, 1, 0, SECOND, SECOND)]
    before = library.rows(ROWS)
    assert find_expired(library.warehouse, MONDAYS_TOO) == expected
    assert library.rows(ROWS) == before
    assert delete_expired(library.warehouse, MONDAYS_TOO) == expected
    assert library.rows(ROWS) == [before[0], before[2]]
    assert delete_expired(library.warehouse, MONDAYS_TOO) == []
    assert outside_days(library.warehouse) == {CIRCULATION.name: {SECOND}}


def test_deleted_days_are_never_due_and_are_refused(library: Library) -> None:
    delete_expired(library.warehouse, MONDAYS_TOO)
    assert due(library) == []
    correct_the_reviews(library)
    assert {one.table for one in due(library)} == {"raw.raw_reviews", CIRCULATION.name}
    assert SECOND not in {one.day for one in due(library) if one.table == CIRCULATION.name}
    refused = library.run(FIRST, LAST)
    [failure] = [one for one in refused.all_events if one.is_step_failure]
    told = str(failure.event_specific_data)
    assert f"{CIRCULATION} of {SECOND} is kept no longer, or rests on what is not" in told
    assert "`harvey retain` has deleted it" in told


def test_what_is_due_on_either_side_is_computed(library: Library) -> None:
    """A run computes days without a gap: the rest is due until the next one."""
    delete_expired(library.warehouse, MONDAYS_TOO)
    correct_the_reviews(library)
    assert run_due(library).success
    assert {(one.table, one.day) for one in due(library)} == {(CIRCULATION.name, LAST)}
    assert run_due(library).success
    assert due(library) == []
    assert library.rows(DATES) == [(FIRST,), (LAST,)]


def test_days_come_back_when_they_are_to_be_kept_longer(library: Library) -> None:
    before = library.rows(ROWS)
    delete_expired(library.warehouse, MONDAYS_TOO)
    delete_expired(library.warehouse, {CIRCULATION: Cutoff.of(Keep(3), LAST)})
    assert [(one.table, one.day) for one in due(library)] == [(CIRCULATION.name, SECOND)]
    assert run_due(library).success
    assert library.rows(ROWS) == before
    assert due(library) == []


def test_checks_leave_deleted_days_out(library: Library) -> None:
    delete_expired(library.warehouse, MONDAYS_TOO)
    [plan] = [one for one in check_plans([SUBJECT]) if one.table == CIRCULATION]
    for days in (None, DayRange(FIRST, LAST)):
        results = evaluate_days(plan, library.warehouse, raw_store(library), days)
        assert all(result.passed for result in results)


def test_readers_do_not_see_what_was_deleted(library: Library) -> None:
    publish(library.warehouse, tables_of([SUBJECT]))
    delete_expired(library.warehouse, MONDAYS_TOO)
    publish(library.warehouse, tables_of([SUBJECT]))
    with duckdb.connect(str(published_path(library.warehouse.path)), read_only=True) as copy:
        assert copy.execute(DATES).fetchall() == [(FIRST,), (LAST,)]


def test_archived_months_go_with_their_files(library: Library) -> None:
    archive_month(library.warehouse, [CIRCULATION], APRIL)
    file = library.root / "warehouse.archive" / CIRCULATION.name / "2024-04.parquet"
    partly = {CIRCULATION: Cutoff.of(Keep(31), date(2024, 5, 30))}
    assert delete_expired(library.warehouse, partly) == []
    assert file.exists()
    [found] = delete_expired(
        library.warehouse, {CIRCULATION: Cutoff.of(Keep(30), date(2024, 5, 30))}
    )
    assert (found.rows, found.archived) == (0, 3)
    assert (found.first, found.last) == (APRIL, date(2024, 4, 30))
    assert not file.exists()
    assert archived_days(library.warehouse) == {}
    assert due(library) == []


def test_a_kill_leaves_a_table_as_it_was(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    before = library.rows(ROWS)

    def die(*_: object) -> None:
        raise KeyError("killed")

    with monkeypatch.context() as killed:
        killed.setattr(retention, "record_commits", die)
        with pytest.raises(KeyError):
            delete_expired(library.warehouse, MONDAYS_TOO)
    assert library.rows(ROWS) == before
    assert outside_days(library.warehouse) == {}
    assert due(library) == []


def test_no_table_with_people_lacks_a_period_by_mistake() -> None:
    """Tables of the segments with people all say for how long, or the setting says it."""
    named = {
        table.name
        for table in tables_of(definitions.ALL_SUBJECTS).values()
        if table.keep is not None
    }
    assert named == {
        "segments.engagement_scores",
        "segments.user_segments",
        "segments.user_daily_access",
        "segments.labels",
        "segments.recommendations",
        "segments.llm_opinions",
        "llm.llm_traces",
    }
