"""Checks of the sums: events as they arrived against activity, activity against daily totals."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import read_blocks, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences, with_every_day
from harvey_pipeline.checks.report import Check
from harvey_pipeline.engagement.sources import EVENTS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import EVENT_TYPES
from harvey_pipeline.engagement.transforms.windows import to_hundredths
from harvey_pipeline.landing.ledger import DROPS
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.landing.repeats import repeated_deliveries
from harvey_pipeline.landing.source import drops_of
from harvey_pipeline.warehouse.days import DayRange, blocks_of_days, is_dated

_ACTIVITY: Final = TABLES["core.user_daily_activity"]
_SUMMARY: Final = TABLES["marts.daily_event_summary"]

_VOLUME_DAYS: Final = 56
"""How far back the days lie by which a day's volume is usual."""

_BLOCK_DAYS: Final = 7
"""Days whose events are summed at a time, so that memory does not grow with the run."""

_EQUALS_EVENTS: Final = Check(
    "activity_equals_events",
    "Each day's sums are those of its events, in whichever drop they came.",
)
_EQUALS_ACTIVITY: Final = Check(
    "summary_equals_activity",
    "Each day's totals are those of its activity, its coverage is that of the ledger, and its "
    "volume is usual by both.",
)

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


def _judge_activity(judging: Judging) -> None:
    days = judging.days
    found = with_every_day(sum_activity(judging.connection, days), days)
    expected = with_every_day(_sum_events(judging.raw_store, days), days)
    judging.report.add(_EQUALS_EVENTS, differences(expected, found))


def sum_activity(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` with activity: its sums."""
    figures = ", ".join(f"sum({sql})::bigint as {name}" for name, sql in _FIGURES.items())
    sums: pl.DataFrame = connection.sql(
        f"select date, {figures} from {_ACTIVITY} where {within('date', days)} group by date"
    ).pl()
    return sums


def _sum_events(raw_store: RawStore, days: Sequence[date]) -> pl.DataFrame:
    """The figures of `sum_activity` from the events of every drop that may hold some."""
    blocks = [_sum_events_of_block(raw_store, block) for block in blocks_of_days(days, _BLOCK_DAYS)]
    return pl.concat([_sums_by_day(EVENTS.table.empty()), *blocks])


def _sum_events_of_block(raw_store: RawStore, days: Sequence[date]) -> pl.DataFrame:
    drops = drops_of(EVENTS, DayRange(days[0], days[-1]))
    events = raw_store.read(EVENTS, drops).filter(is_dated(days[0], days[-1], "event_date"))
    sums = _sums_by_day(events)
    repeated = repeated_deliveries(EVENTS, events).collect(engine="streaming")
    if repeated.is_empty():
        return sums
    # Were it not known by now how few they are, the events would be held instead of them.
    repeats = events.join(repeated.lazy(), on=["drop_date", "line_number"], how="semi")
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


def _judge_event_summary(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
    found = connection.sql(
        "select * replace (try_cast(round(avg_feedback_score * scored_events * 100) as "
        f"bigint) as avg_feedback_score) from {_SUMMARY} where {within('date', days)}"
    ).pl()
    covered = connection.sql(
        f"select drop_date as date, is_observed as is_covered from {DROPS} "
        f"where source = '{EVENTS.name}' and {within('drop_date', days)}"
    ).pl()
    expected = with_every_day(sum_activity(connection, days), days)
    people = count_active(connection, days)
    expected = (
        expected.join(with_every_day(people, days), on="date")
        .join(covered, on="date", how="left")
        .join(_usual_volumes(connection, days), on="date", how="left")
        .select(
            "date",
            "is_volume_usual",
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
    judging.report.add(_EQUALS_ACTIVITY, differences(expected, found))


def _usual_volumes(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date`: `is_volume_usual` by activity and ledger."""
    if not days:
        return pl.DataFrame(schema={"date": pl.Date, "is_volume_usual": pl.Boolean})
    range_read = (days[0] - timedelta(days=_VOLUME_DAYS), days[-1])
    volumes: pl.DataFrame = connection.sql(
        "with covered as (select drop_date as date, coalesce(sum(queries), 0) as events "
        f"from {DROPS} left join {_ACTIVITY} on date = drop_date where source = '{EVENTS.name}' "
        f"and is_observed and {within('drop_date', range_read)} group by drop_date), "
        f"asked as (select unnest(generate_series(date '{days[0]}', date '{days[-1]}', "
        "interval 1 day))::date as date), "
        "alike as (select asked.date, events from asked join covered as earlier "
        "on earlier.date < asked.date and dayofweek(earlier.date) = dayofweek(asked.date) "
        f"and earlier.date >= asked.date - {_VOLUME_DAYS} "
        "qualify row_number() over (partition by asked.date order by earlier.date desc) <= 4), "
        "usual as (select date, median(events) as events from alike group by date "
        "having count(*) = 4) "
        "select date, case when covered.events is null then false else covered.events "
        "between usual.events / 2 and usual.events * 2 end as is_volume_usual "
        "from asked left join covered using (date) left join usual using (date)"
    ).pl()
    return volumes


def count_active(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` with activity: `active_users` and `active_firms`."""
    columns = ("date", "user_id", "firm_id")
    # A loop over the blocks would hold each until the next one is read.
    return pl.concat(map(_count_names, read_blocks(connection, _ACTIVITY, days, columns)))


def _count_names(activity: pl.DataFrame) -> pl.DataFrame:
    return activity.group_by("date").agg(
        active_users=pl.col("user_id").n_unique().cast(pl.Int64),
        active_firms=pl.col("firm_id").n_unique().cast(pl.Int64),
    )


def window_sums(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], window_days: int, sums: str
) -> pl.DataFrame:
    """Sums of `core.user_daily_activity` over the trailing window of each day, one row a day.

    Args:
        connection: An open warehouse.
        days: The days that the windows end on.
        window_days: Length of a window.
        sums: The figures as SQL: names with the columns that they sum.
    """
    figures = [part.strip().split(" as ") for part in sums.split(",")]
    if not days:
        names = {name: pl.Int64 for _, name in figures}
        return pl.DataFrame(schema={"date": pl.Date, **names})
    daily = ", ".join(f"sum({column}) as {name}" for column, name in figures)
    totals = ", ".join(f"coalesce(sum(daily.{name}), 0)::bigint as {name}" for _, name in figures)
    totals_by_day: pl.DataFrame = connection.sql(
        f"with daily as (select date, {daily} from {_ACTIVITY} "
        f"where date between date '{days[0]}' - {window_days - 1} and date '{days[-1]}' "
        "group by date), "
        f"ends as (select unnest(generate_series(date '{days[0]}', date '{days[-1]}', "
        "interval 1 day))::date as date) "
        f"select ends.date, {totals} from ends left join daily "
        f"on daily.date between ends.date - {window_days - 1} and ends.date group by all"
    ).pl()
    return totals_by_day


CHECKS: Final = (
    TableChecks(_ACTIVITY, (_EQUALS_EVENTS,), _judge_activity),
    TableChecks(_SUMMARY, (_EQUALS_ACTIVITY,), _judge_event_summary, needs=(_ACTIVITY, DROPS)),
)
