"""Checks of adoption over time: parts sum to wholes, windows follow each other, dates are found."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import dagster as dg
import duckdb
import polars as pl

from harvey_pipeline.checks.blocks import add_failing_rows, read_blocks, within
from harvey_pipeline.checks.contract import contract_of
from harvey_pipeline.checks.reconcile import differences
from harvey_pipeline.checks.report import WARN, Check, Report, TableChecks
from harvey_pipeline.checks.windows import all_days_until, days_back, days_not_run
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import TABLES
from harvey_pipeline.tables.labels import GRAINS, GROWTH_DAYS, SEGMENTS, WEEK_DAYS, WINDOW_DAYS
from harvey_pipeline.warehouse import Warehouse

_ACTIVITY: Final = "core.user_daily_activity"
_FIRST: Final = "core.first_activity"
_SEGMENTS: Final = "marts.usage_by_segment"
_GROWTH: Final = "marts.growth_accounting"
_ACTIVE: Final = "marts.active_usage"
_CURVE: Final = "marts.power_curve"

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
)
_CURVE_EQUALS: Final = Check(
    "curve_equals_activity",
    "Every curve has all its points, whose users times active days are the users of each day of "
    "the window, summed up; on the last day of a run every point is that of the activity itself.",
)
_WINDOW: Final = Check(
    "window_is_complete", "All days of history in the window were run before.", WARN
)

FIRST_CHECKS: Final = (*contract_of(_FIRST).checks, _FIRST_IS_FOUND)
SEGMENT_CHECKS: Final = (*contract_of(_SEGMENTS).checks, _SUM_TO_WHOLE, _WINDOW)
GROWTH_CHECKS: Final = (*contract_of(_GROWTH).checks, _SUM_TO_GROWTH, _FOLLOWS)
ACTIVE_CHECKS: Final = (*contract_of(_ACTIVE).checks, _SUM_TO_ACTIVE)
CURVE_CHECKS: Final = (*contract_of(_CURVE).checks, _CURVE_EQUALS, _WINDOW)


def evaluate_first_activity(
    warehouse: Warehouse,
    raw_store: RawStore,  # noqa: ARG001  (every evaluation is called alike)
    days: Sequence[date],
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `core.first_activity`."""
    report = Report(_FIRST, FIRST_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_FIRST, _ACTIVITY])
        for rows in read_blocks(connection, TABLES[_FIRST], days):
            contract_of(_FIRST).judge(rows, report)
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
            report,
            _FIRST_IS_FOUND.name,
            connection,
            "select coalesce(date, first_activity_date) as date, grain, entity_id, "
            f"first_activity_date from ({compared}) where first_activity_date is null "
            f"or first_activity_date > date or (date is distinct from first_activity_date and "
            f"{within('first_activity_date', days)}) or first_activity_date not in "
            f"{_listed(sorted(warehouse.days_written(_FIRST)))}",
        )
    yield from report.results()


def _listed(days: Sequence[date]) -> str:
    """Days as an SQL list, which may be empty."""
    quoted = ", ".join(f"'{day}'" for day in days)
    return f"[{quoted}]::date[]"


def evaluate_segments(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.usage_by_segment`."""
    report = Report(_SEGMENTS, SEGMENT_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_SEGMENTS, _ACTIVITY, _FIRST])
        for rows in read_blocks(connection, TABLES[_SEGMENTS], days):
            contract_of(_SEGMENTS).judge(rows, report)
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
    report.add(_SUM_TO_WHOLE.name, differences(expected, found, _PLACE))
    on_last = found.filter(pl.col("date").is_in(list(days[-1:])))
    anew = on_last.select(_PLACE).join(last, on=["date", "grain"])
    report.add(_SUM_TO_WHOLE.name, differences(anew, on_last, _PLACE))
    reads = {_ACTIVITY: days_back(range(2 * GROWTH_DAYS)), _FIRST: all_days_until(raw_store)}
    report.add(_WINDOW.name, days_not_run(warehouse, raw_store, days, reads))
    yield from report.results()


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


def evaluate_growth(
    warehouse: Warehouse,
    raw_store: RawStore,  # noqa: ARG001  (every evaluation is called alike)
    days: Sequence[date],
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.growth_accounting`."""
    report = Report(_GROWTH, GROWTH_CHECKS, days)
    _judge_whole(warehouse, report, _GROWTH, _GROWTH_COUNTS, _SUM_TO_GROWTH, days)
    with warehouse.connect() as connection:
        add_failing_rows(
            report,
            _FOLLOWS.name,
            connection,
            "select now.date, grain, now.previous_active, before.active as active_28_days_before "
            f"from {_GROWTH} as now join {_GROWTH} as before using (grain) "
            f"where before.date = now.date - {GROWTH_DAYS} and {within('now.date', days)} "
            "and now.previous_active <> before.active",
        )
    yield from report.results()


def evaluate_active(
    warehouse: Warehouse,
    raw_store: RawStore,  # noqa: ARG001  (every evaluation is called alike)
    days: Sequence[date],
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.active_usage`."""
    report = Report(_ACTIVE, ACTIVE_CHECKS, days)
    _judge_whole(warehouse, report, _ACTIVE, _ACTIVE_COUNTS, _SUM_TO_ACTIVE, days)
    yield from report.results()


def _judge_whole(
    warehouse: Warehouse,
    report: Report,
    name: str,
    counts: Sequence[str],
    check: Check,
    days: Sequence[date],
) -> None:
    """The contract of a table of wholes, and the parts of each attribute against it."""
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [name, _SEGMENTS])
        for rows in read_blocks(connection, TABLES[name], days):
            contract_of(name).judge(rows, report)
        parts = _sum_by_attribute(connection, days).select("date", "grain", "segment", *counts)
        whole = connection.sql(
            f"select date, grain, {', '.join(counts)} from {name} where {within('date', days)}"
        ).pl()
    attributes = pl.DataFrame(_PARTS, schema=["grain", "segment"], orient="row")
    found = whole.join(attributes, on="grain")
    report.add(check.name, differences(parts, found, _PLACE))


def evaluate_curve(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.power_curve`."""
    report = Report(_CURVE, CURVE_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_CURVE, _ACTIVITY])
        for rows in read_blocks(connection, TABLES[_CURVE], days):
            contract_of(_CURVE).judge(rows, report)
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
    report.add(_CURVE_EQUALS.name, differences(expected, found, ["date", "window_days"]))
    key = TABLES[_CURVE].key
    report.add(_CURVE_EQUALS.name, differences(last, found_last, key))
    reads = {_ACTIVITY: days_back(range(GROWTH_DAYS))}
    report.add(_WINDOW.name, days_not_run(warehouse, raw_store, days, reads))
    yield from report.results()


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
    TableChecks(_FIRST, FIRST_CHECKS, evaluate_first_activity),
    TableChecks(_SEGMENTS, SEGMENT_CHECKS, evaluate_segments),
    TableChecks(_GROWTH, GROWTH_CHECKS, evaluate_growth),
    TableChecks(_ACTIVE, ACTIVE_CHECKS, evaluate_active),
    TableChecks(_CURVE, CURVE_CHECKS, evaluate_curve),
)
