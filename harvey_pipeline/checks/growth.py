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
from harvey_pipeline.checks.windows import days_not_run, length_of_history
from harvey_pipeline.raw_store import RawStore
from harvey_pipeline.tables import GRAINS, GROWTH_DAYS, SEGMENTS, TABLES
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
_WEEK: Final = 7

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
        earliest = " union all ".join(
            f"select '{grain}' as grain, {grain}_id as entity_id, min(date) as date "
            f"from {_ACTIVITY} where {within('date', days)} group by entity_id"
            for grain in GRAINS
        )
        add_failing_rows(
            report,
            _FIRST_IS_FOUND.name,
            connection,
            "select coalesce(date, first_activity_date) as date, grain, entity_id, "
            f"first_activity_date from ({earliest}) full join (select * from {_FIRST} where "
            f"first_activity_date <= {_last(days)}) using (grain, entity_id) where "
            "first_activity_date is null or first_activity_date > date or "
            f"({within('first_activity_date', days)} and date is distinct from "
            "first_activity_date)",
        )
    yield from report.results()


def _last(days: Sequence[date]) -> str:
    return f"date '{days[-1]}'" if days else "null"


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
    key = ["date", "grain", "segment"]
    others = [name for name in (*_ACTIVE_COUNTS, *_GROWTH_COUNTS) if name not in ("dau", "new")]
    by_first_attribute = found.filter(pl.col("segment").is_in([_ROLE, _SIZE]))
    expected = (
        found.select(key)
        .join(whole, on=["date", "grain"])
        .join(by_first_attribute.select("date", "grain", *others), on=["date", "grain"])
    )
    report.add(_SUM_TO_WHOLE.name, differences(expected, found, key))
    reads = {_ACTIVITY: range(2 * GROWTH_DAYS), _FIRST: range(length_of_history(raw_store, days))}
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
    return calendar.join(sums, on=["date", "grain", "segment"], how="left").fill_null(0)


def _sums(counts: Sequence[str]) -> str:
    return ", ".join(f"sum({name})::bigint as {name}" for name in counts)


def _active_and_begun(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> pl.DataFrame:
    """One row per `date` and `grain`: `dau` by activity and `new` by first activity."""
    calendar = f"(select unnest([{', '.join(_quoted(days))}]::date[]) as date)"
    parts = [
        f"select date, '{grain}' as grain, coalesce(dau, 0) as dau, (select count(*) from {_FIRST} "
        f"where grain = '{grain}' and first_activity_date > date - {GROWTH_DAYS} "
        f"and first_activity_date <= date) as new from {calendar} left join "
        f"(select date, count(distinct {grain}_id) as dau from {_ACTIVITY} "
        f"where {within('date', days)} group by date) using (date)"
        for grain in GRAINS
    ]
    counted: pl.DataFrame = connection.sql(" union all ".join(parts)).pl()
    return counted


def _quoted(days: Sequence[date]) -> list[str]:
    return [f"'{day}'" for day in days]


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
    report.add(check.name, differences(parts, found, ["date", "grain", "segment"]))


def evaluate_curve(
    warehouse: Warehouse, raw_store: RawStore, days: Sequence[date]
) -> Iterator[dg.AssetCheckResult]:
    """Evaluate the checks of `marts.power_curve`."""
    report = Report(_CURVE, CURVE_CHECKS, days)
    with warehouse.connect() as connection:
        warehouse.prepare(connection, [_CURVE, _ACTIVITY])
        for rows in read_blocks(connection, TABLES[_CURVE], days):
            contract_of(_CURVE).judge(rows, report)
        windows = ", ".join(f"({length})" for length in (_WEEK, GROWTH_DAYS))
        expected = connection.sql(
            f"with daily as (select date, count(distinct user_id) as users from {_ACTIVITY} where "
            f"date > {_first(days)} - {GROWTH_DAYS} and date <= {_last(days)} group by date) "
            f"select ends.date, window_days::smallint as window_days, "
            "coalesce(sum(daily.users), 0)::bigint as user_days "
            f"from (select unnest([{', '.join(_quoted(days))}]::date[]) as date) as ends "
            f"cross join (values {windows}) as lengths(window_days) left join daily "
            "on daily.date > ends.date - window_days and daily.date <= ends.date group by all"
        ).pl()
        found = connection.sql(
            "select date, window_days, sum(users * active_days)::bigint as user_days "
            f"from {_CURVE} where {within('date', days)} group by all"
        ).pl()
    report.add(_CURVE_EQUALS.name, differences(expected, found, ["date", "window_days"]))
    reads = {_ACTIVITY: range(GROWTH_DAYS)}
    report.add(_WINDOW.name, days_not_run(warehouse, raw_store, days, reads))
    yield from report.results()


def _first(days: Sequence[date]) -> str:
    return f"date '{days[0]}'" if days else "null"


CHECKS: Final = (
    TableChecks(_FIRST, FIRST_CHECKS, evaluate_first_activity),
    TableChecks(_SEGMENTS, SEGMENT_CHECKS, evaluate_segments),
    TableChecks(_GROWTH, GROWTH_CHECKS, evaluate_growth),
    TableChecks(_ACTIVE, ACTIVE_CHECKS, evaluate_active),
    TableChecks(_CURVE, CURVE_CHECKS, evaluate_curve),
)
