"""Checks of adoption over time: parts sum to wholes, windows follow each other, dates are found."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.reconcile import differences
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.engagement.sources import EVENTS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import (
    GRAINS,
    GROWTH_DAYS,
    SEGMENTS,
    WEEK_DAYS,
    WINDOW_DAYS,
)
from harvey_pipeline.landing.ledger import DROPS
from harvey_pipeline.warehouse.table import Table

_ACTIVITY: Final = TABLES["core.user_daily_activity"]
_FIRST: Final = TABLES["core.first_activity"]
_SEGMENTS: Final = TABLES["marts.usage_by_segment"]
_GROWTH: Final = TABLES["marts.growth_accounting"]
_ACTIVE: Final = TABLES["marts.active_usage"]
_CURVE: Final = TABLES["marts.power_curve"]

_USER, _FIRM = GRAINS
_ROLE, _SIZE, _ARR = SEGMENTS
_PARTS: Final = ((_USER, _ROLE), (_FIRM, _SIZE), (_FIRM, _ARR))
_GROWTH_COUNTS: Final = ("active", "previous_active", "new", "retained", "resurrected", "churned")
_ACTIVE_COUNTS: Final = ("dau", "wau", "mau")
_PLACE: Final = ("date", "grain", "segment")

_FIRST_IS_FOUND: Final = Check(
    "first_activity_is_first",
    "Whoever is active on a day was first active by then, first activities have activity, and "
    "all of them lie on days that were run.",
)
_SUM_TO_WHOLE: Final = Check(
    "segments_sum_to_whole",
    "The parts of every attribute sum to the day's active users and firms, to first activities "
    "in the window, to the counts of another attribute and, on the last day of a run, to all "
    "counts by the activity itself.",
)
_SUM_TO_GROWTH: Final = Check(
    "segments_sum_to_growth", "The parts of every attribute sum to the whole of their grain."
)
_SUM_TO_ACTIVE: Final = Check(
    "segments_sum_to_active", "The parts of every attribute sum to the whole of their grain."
)
_FOLLOWS: Final = Check(
    "previous_active_were_active",
    "`previous_active` is what `active` was 28 days before, where that day was run.",
    WARN,
    advice="Run the days from there on again: what they counted has changed since.",
)
_SHORT: Final = Check(
    "history_is_short_by_coverage",
    "`is_history_short` is true just where no covered day lies 55 days before, or earlier, and "
    "nobody is resurrected there.",
)
_CURVE_EQUALS: Final = Check(
    "curve_equals_activity",
    "Every curve has all its points, whose users times active days are the users of each day of "
    "the window, summed up; on the last day of a run every point is that of the activity itself.",
)


def _judge_first_activity(judging: Judging) -> None:
    days = judging.days
    # Each grain's earliest activity of these days, beside what is known of the entity.
    compared = " union all ".join(
        f"select date, coalesce(found.grain, known.grain) as grain, entity_id, "
        f"first_activity_date from (select '{grain}' as grain, {grain}_id as entity_id, "
        f"min(date) as date from {_ACTIVITY} where {within('date', days)} group by entity_id) "
        f"as found full join (from {_FIRST} where grain = '{grain}') as known "
        "using (entity_id)"
        for grain in GRAINS
    )
    add_failing_rows(
        judging.report,
        _FIRST_IS_FOUND,
        judging.connection,
        "select coalesce(date, first_activity_date) as date, grain, entity_id, "
        f"first_activity_date from ({compared}) where first_activity_date is null "
        f"or first_activity_date > date or (date is distinct from first_activity_date and "
        f"{within('first_activity_date', days)}) or first_activity_date not in "
        f"{_listed(sorted(judging.warehouse.days_written(_FIRST)))}",
    )


def _listed(days: Sequence[date]) -> str:
    """Days as an SQL list, which may be empty."""
    quoted = ", ".join(f"'{day}'" for day in days)
    return f"[{quoted}]::date[]"


def _judge_segments(judging: Judging) -> None:
    report, connection, days = judging.report, judging.connection, judging.days
    found = _sum_by_attribute(connection, days)
    whole = _active_and_begun(connection, days)
    last = _count_anew(connection, days[-1:])
    others = [name for name in (*_ACTIVE_COUNTS, *_GROWTH_COUNTS) if name not in ("dau", "new")]
    by_first_attribute = found.filter(pl.col("segment").is_in([_ROLE, _SIZE]))
    expected = (
        found.select(_PLACE)
        .join(whole, on=["date", "grain"])
        .join(by_first_attribute.select("date", "grain", *others), on=["date", "grain"])
    )
    report.add(_SUM_TO_WHOLE, differences(expected, found, _PLACE))
    on_last = found.filter(pl.col("date").is_in(list(days[-1:])))
    anew = on_last.select(_PLACE).join(last, on=["date", "grain"])
    report.add(_SUM_TO_WHOLE, differences(anew, on_last, _PLACE))


def _sum_by_attribute(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date`, `grain` and `segment`: the parts' counts summed, zeros without parts."""
    counts = (*_ACTIVE_COUNTS, *_GROWTH_COUNTS)
    sums: pl.DataFrame = connection.sql(
        f"select date, grain, segment, {_sums(counts)} from {_SEGMENTS} "
        f"where {within('date', days)} group by all"
    ).pl()
    calendar = pl.DataFrame(
        [(day, grain, segment) for day in days for grain, segment in _PARTS],
        schema={"date": pl.Date, "grain": pl.String, "segment": pl.String},
        orient="row",
    )
    return calendar.join(sums, on=_PLACE, how="left").fill_null(0)


def _sums(counts: Sequence[str]) -> str:
    return ", ".join(f"sum({name})::bigint as {name}" for name in counts)


def _active_and_begun(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` and `grain`: `dau` by activity and `new` by first activity."""
    parts = [
        f"select date, '{grain}' as grain, coalesce(dau, 0) as dau, (select count(*) from {_FIRST} "
        f"where grain = '{grain}' and first_activity_date > date - {GROWTH_DAYS} "
        f"and first_activity_date <= date) as new from (select unnest({_listed(days)}) as date) "
        f"left join (select date, count(distinct {grain}_id) as dau from {_ACTIVITY} "
        f"where {within('date', days)} group by date) using (date)"
        for grain in GRAINS
    ]
    counted: pl.DataFrame = connection.sql(" union all ".join(parts)).pl()
    return counted


def _count_anew(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `grain` of a day (none without one): all counts, from its 56 days of activity."""
    begun = f"first_activity_date > day - {GROWTH_DAYS}"
    counts = {
        **{
            name: f"ago < {length}"
            for name, length in zip(_ACTIVE_COUNTS, (1, WEEK_DAYS, WINDOW_DAYS), strict=True)
        },
        "active": "is_active",
        "previous_active": "was_active",
        "new": f"is_active and not was_active and coalesce({begun}, false)",
        "retained": "is_active and was_active",
        "resurrected": f"is_active and not was_active and not coalesce({begun}, false)",
        "churned": "was_active and not is_active",
    }
    figures = ", ".join(f"count(*) filter ({rule}) as {name}" for name, rule in counts.items())
    parts = [
        f"select day as date, '{grain}' as grain, {figures} from "
        f"(select unnest({_listed(days)}) as day) left join (select {grain}_id as entity_id, "
        f"min(end_day - date) as ago, bool_or(end_day - date < {GROWTH_DAYS}) as is_active, "
        f"bool_or(end_day - date >= {GROWTH_DAYS}) as was_active from {_ACTIVITY}, "
        f"(select unnest({_listed(days)}) as end_day) "
        f"where date > end_day - {2 * GROWTH_DAYS} and date <= end_day group by entity_id) "
        f"on true left join (from {_FIRST} where grain = '{grain}') using (entity_id) group by day"
        for grain in GRAINS
    ]
    counted: pl.DataFrame = connection.sql(" union all ".join(parts)).pl()
    return counted


def _judge_growth(judging: Judging) -> None:
    _judge_whole(judging, _GROWTH, _GROWTH_COUNTS, _SUM_TO_GROWTH)
    add_failing_rows(
        judging.report,
        _FOLLOWS,
        judging.connection,
        "select now.date, grain, now.previous_active, before.active as active_28_days_before "
        f"from {_GROWTH} as now join {_GROWTH} as before using (grain) "
        f"where before.date = now.date - {GROWTH_DAYS} and {within('now.date', judging.days)} "
        "and now.previous_active <> before.active",
    )
    add_failing_rows(
        judging.report,
        _SHORT,
        judging.connection,
        f"select date, grain, is_history_short, first_covered, resurrected from {_GROWTH}, "
        f"(select min(drop_date) as first_covered from {DROPS} "
        f"where source = '{EVENTS.name}' and is_observed) where {within('date', judging.days)} "
        f"and (is_history_short = coalesce(first_covered <= date - {2 * GROWTH_DAYS - 1}, false) "
        "or (is_history_short and resurrected > 0))",
    )


def _judge_active(judging: Judging) -> None:
    _judge_whole(judging, _ACTIVE, _ACTIVE_COUNTS, _SUM_TO_ACTIVE)


def _judge_whole(judging: Judging, table: Table, counts: Sequence[str], check: Check) -> None:
    """The parts of each attribute against a table of wholes."""
    connection, days = judging.connection, judging.days
    parts = _sum_by_attribute(connection, days).select("date", "grain", "segment", *counts)
    whole = connection.sql(
        f"select date, grain, {', '.join(counts)} from {table} where {within('date', days)}"
    ).pl()
    attributes = pl.DataFrame(_PARTS, schema=["grain", "segment"], orient="row")
    found = whole.join(attributes, on="grain")
    judging.report.add(check, differences(parts, found, _PLACE))


def _judge_curve(judging: Judging) -> None:
    connection, days = judging.connection, judging.days
    expected = _user_days(connection, days)
    found = connection.sql(
        "select date, window_days, count(*) as points, "
        f"sum(users * active_days)::bigint as user_days from {_CURVE} "
        f"where {within('date', days)} group by all"
    ).pl()
    last = _draw_anew(connection, days[-1:])
    found_last = connection.sql(
        f"select date, window_days, active_days, users from {_CURVE} "
        f"where {within('date', days[-1:])} and users > 0"
    ).pl()
    judging.report.add(_CURVE_EQUALS, differences(expected, found, ["date", "window_days"]))
    judging.report.add(_CURVE_EQUALS, differences(last, found_last, _CURVE.key))


def _user_days(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` and `window_days`: the curve's `points`, and the window's `user_days`."""
    user_days: pl.DataFrame = connection.sql(
        f"with ends as (select unnest({_listed(days)}) as date), "
        f"daily as (select date, count(distinct user_id) as users from {_ACTIVITY} where date > "
        f"(select min(date) from ends) - {GROWTH_DAYS} group by date) "
        "select ends.date, window_days::smallint as window_days, window_days::bigint as points, "
        f"coalesce(sum(daily.users), 0)::bigint as user_days from ends "
        f"cross join (values ({WEEK_DAYS}), ({GROWTH_DAYS})) as lengths(window_days) "
        "left join daily on daily.date > ends.date - window_days and daily.date <= ends.date "
        "group by all"
    ).pl()
    return user_days


def _draw_anew(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date`, `window_days` and `active_days` with users, of a day (or none)."""
    drawn: pl.DataFrame = connection.sql(
        "select date, window_days::smallint as window_days, "
        "bit_count(dates & ((1::bigint << window_days) - 1))::smallint as active_days, "
        "count(*) as users from (select end_day as date, user_id, "
        f"bit_or(1::bigint << (end_day - date)) as dates from {_ACTIVITY}, "
        f"(select unnest({_listed(days)}) as end_day) "
        f"where date > end_day - {GROWTH_DAYS} and date <= end_day group by all), "
        f"(values ({WEEK_DAYS}), ({GROWTH_DAYS})) as lengths(window_days) "
        "group by 1, 2, 3 having active_days > 0"
    ).pl()
    return drawn


CHECKS: Final = (
    TableChecks(_FIRST, (_FIRST_IS_FOUND,), _judge_first_activity, needs=(_ACTIVITY,)),
    TableChecks(_SEGMENTS, (_SUM_TO_WHOLE,), _judge_segments, needs=(_ACTIVITY, _FIRST)),
    TableChecks(
        _GROWTH, (_SUM_TO_GROWTH, _FOLLOWS, _SHORT), _judge_growth, needs=(_SEGMENTS, DROPS)
    ),
    TableChecks(_ACTIVE, (_SUM_TO_ACTIVE,), _judge_active, needs=(_SEGMENTS,)),
    TableChecks(_CURVE, (_CURVE_EQUALS,), _judge_curve, needs=(_ACTIVITY,)),
)
