"""Checks of the sums: events as they arrived against activity, activity against daily totals."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import read_blocks, within
from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import Check, Report, TableChecks
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import TABLES
from harvey_pipeline.tables.labels import EVENT_TYPES
from harvey_pipeline.transforms.activity import repeated_deliveries
from harvey_pipeline.transforms.parse import LATE_DAYS
from harvey_pipeline.transforms.windows import to_hundredths
from harvey_pipeline.warehouse import DayRange, Warehouse

_ACTIVITY: Final = "core.user_daily_activity"
_SUMMARY: Final = "marts.daily_event_summary"

_EQUALS_EVENTS: Final = Check(
    "activity_equals_events",
    "Each day's sums are those of its events, in whichever drop they came.",
)
_EQUALS_ACTIVITY: Final = Check(
    "summary_equals_activity",
    "Each day's totals are those of its activity, and its coverage that of the ledger.",
)

ACTIVITY_CHECKS: Final = (*contract_of(_ACTIVITY).checks, _EQUALS_EVENTS)
SUMMARY_CHECKS: Final = (*contract_of(_SUMMARY).checks, _EQUALS_ACTIVITY)

_FIGURES: Final = {
    "queries": "queries",
    "assistant_queries": "assistant_queries",
    "vault_queries": "vault_queries",
    "workflow_queries": "workflow_queries",
    "documents": "documents",
    "feedback_hundredths": "round(feedback_sum * 100)::bigint",
    "feedback_count": "feedback_count",
    "high_feedback": "high_feedback",
    "low_feedback": "low_feedback",
}
"""Sums of `core.user_daily_activity` by name, as SQL."""


def evaluate_activity(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `core.user_daily_activity`."""
    report = Report(_ACTIVITY, ACTIVITY_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_ACTIVITY])
        for rows in read_blocks(connection, TABLES[_ACTIVITY], days):
            contract_of(_ACTIVITY).judge(rows, report)
        found = with_every_day(sum_activity(connection, days), days)
    expected = with_every_day(_sum_events(raw_store, days), days)
    report.add(_EQUALS_EVENTS.name, differences(expected, found))
    yield from report.results()


def sum_activity(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` with activity: its sums."""
    figures = ", ".join(f"sum({sql})::bigint as {name}" for name, sql in _FIGURES.items())
    sums: pl.DataFrame = connection.sql(
        f"select date, {figures} from {_ACTIVITY} where {within('date', days)} group by date"
    ).pl()
    return sums


def _sum_events(raw_store: RawStore, days: Sequence[date]) -> pl.DataFrame:
    """The figures of `sum_activity` from the events of every drop that may hold some."""
    if not days:
        return _sums_by_day(TABLES["raw.raw_events"].empty())
    drops = DayRange(days[0], days[-1] + timedelta(days=LATE_DAYS))
    events = raw_store.read("events", drops).filter(
        (pl.col("event_date") >= days[0]) & (pl.col("event_date") <= days[-1])
    )
    sums = _sums_by_day(events)
    late_with_id = (pl.col("event_date") < pl.col("drop_date")) & pl.col("event_id").is_not_null()
    if not events.select(late_with_id.any()).collect(engine="streaming").item():
        return sums
    repeats = events.join(repeated_deliveries(events), on=["drop_date", "line_number"], how="semi")
    more = _sums_by_day(repeats).with_columns(-pl.exclude("date"))
    return pl.concat([sums, more]).group_by("date").agg(pl.all().sum())


def _sums_by_day(events: pl.LazyFrame) -> pl.DataFrame:
    score = pl.col("feedback_score")
    types = {
        f"{name.lower()}_queries": (pl.col("event_type") == name).sum() for name in EVENT_TYPES
    }
    figures = {
        "queries": pl.len(),
        **types,
        "documents": pl.col("num_docs").cast(pl.Int64).sum(),
        "feedback_hundredths": to_hundredths(score).sum(),
        "feedback_count": score.count(),
        "high_feedback": (score >= 4).sum(),
        "low_feedback": (score <= 2).sum(),
    }
    return (
        events.group_by(date="event_date")
        .agg(figure.cast(pl.Int64).alias(name) for name, figure in figures.items())
        .collect(engine="streaming")
    )


def evaluate_event_summary(
    warehouse: Warehouse,
    raw_store: RawStore,  # noqa: ARG001  (every evaluation is called alike)
    days: Sequence[date],
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.daily_event_summary`."""
    report = Report(_SUMMARY, SUMMARY_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_SUMMARY, _ACTIVITY, "raw.drops"])
        for rows in read_blocks(connection, TABLES[_SUMMARY], days):
            contract_of(_SUMMARY).judge(rows, report)
        found = connection.sql(
            "select * replace (try_cast(round(avg_feedback_score * scored_events * 100) as "
            f"bigint) as avg_feedback_score) from {_SUMMARY} where {within('date', days)}"
        ).pl()
        covered = connection.sql(
            "select drop_date as date, is_observed as is_covered from raw.drops "
            f"where source = 'events' and {within('drop_date', days)}"
        ).pl()
        expected = with_every_day(sum_activity(connection, days), days)
        people = count_active(connection, days)
    expected = (
        expected.join(with_every_day(people, days), on="date")
        .join(covered, on="date", how="left")
        .select(
            "date",
            is_covered=pl.col("is_covered").fill_null(False),
            total_events="queries",
            active_users="active_users",
            active_firms="active_firms",
            total_documents="documents",
            avg_feedback_score=pl.when(pl.col("feedback_count") > 0).then("feedback_hundredths"),
            assistant_events="assistant_queries",
            vault_events="vault_queries",
            workflow_events="workflow_queries",
            scored_events="feedback_count",
            high_satisfaction_events="high_feedback",
            low_satisfaction_events="low_feedback",
        )
    )
    report.add(_EQUALS_ACTIVITY.name, differences(expected, found))
    yield from report.results()


def count_active(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` with activity: `active_users` and `active_firms`."""
    columns = ("date", "user_id", "firm_id")
    return pl.concat(
        rows.group_by("date").agg(
            active_users=pl.col("user_id").n_unique().cast(pl.Int64),
            active_firms=pl.col("firm_id").n_unique().cast(pl.Int64),
        )
        for rows in read_blocks(connection, TABLES[_ACTIVITY], days, columns)
    )


CHECKS: Final = (
    TableChecks(_ACTIVITY, ACTIVITY_CHECKS, evaluate_activity),
    TableChecks(_SUMMARY, SUMMARY_CHECKS, evaluate_event_summary),
)
