"""What the judges of segments read: whole windows, days that were run, days that are covered."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.engagement.tables import TABLES as ENGAGEMENT_TABLES
from harvey_pipeline.graph.assets import TableAsset
from harvey_pipeline.landing.raw_store import RawStore
from harvey_pipeline.segments.assets.evaluation import (
    ASSETS,
    ab_readout,
    churn_backtest,
    evaluation,
    stability,
)
from harvey_pipeline.segments.sources import SSO_EVENTS
from harvey_pipeline.segments.tables.access import (
    INTERVENTION_STARTS,
    LABELS_TABLE,
    USER_DAILY_ACCESS,
)
from harvey_pipeline.segments.tables.evaluation import TABLES
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.warehouse.days import DayRange, consecutive_days, is_dated, last_day, months_of
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline.warehouse.warehouse import Pieces
from harvey_pipeline_tests.builders import landing_file, raw_store
from harvey_pipeline_tests.segments import verdicts
from harvey_pipeline_tests.segments.verdicts import Row, days_from, rows_of

EVENT_SUMMARY = ENGAGEMENT_TABLES["marts.daily_event_summary"]
OF_NAME = {
    table.name: table
    for table in (EVENT_SUMMARY, INTERVENTION_STARTS, LABELS_TABLE, USER_DAILY_ACCESS)
} | {USER_SEGMENTS.name: USER_SEGMENTS}

MONDAY = date(2024, 1, 29)
AFTER = days_from(MONDAY + timedelta(days=1), 30)
FEBRUARY = days_from(date(2024, 2, 1), 29)


def test_each_table_has_its_asset() -> None:
    assert {asset.table for asset in ASSETS} == set(TABLES)


def test_a_month_reads_from_the_monday_before_its_first_start_to_that_after_its_last() -> None:
    for month in months_of(date(2023, 1, 1), date(2028, 12, 1)):
        last_monday_after = last_day(month) + timedelta(days=96)
        of_segments = ab_readout.inputs["user_segments"].days_of_month(month)
        assert of_segments.first <= month - timedelta(days=7)
        assert of_segments.last >= last_monday_after
        assert ab_readout.inputs["engagement_scores"].days_of_month(month).last == of_segments.last
        assert ab_readout.inputs["intervention_starts"].days_of_month(month).first == month


def test_a_monday_reads_a_year_of_labels_and_a_month_of_accesses() -> None:
    year = DayRange(MONDAY - timedelta(days=364), MONDAY)
    assert {one.days_of(MONDAY) for one in evaluation.inputs.values()} == {year}
    month = DayRange(MONDAY, AFTER[-1])
    read = [*churn_backtest.inputs.values(), *churn_backtest.after]
    assert [one.days_of(MONDAY) for one in read if one.table != USER_SEGMENTS.name] == [month] * 3


def test_a_cohort_reads_the_three_months_after_it() -> None:
    window = DayRange(date(2024, 1, 1), date(2024, 4, 30))
    for one in (*stability.inputs.values(), *stability.after):
        assert one.days_of_month(date(2024, 1, 1)) == window


def of_table(table: Table, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with a few of a table's columns as whole ones; the rest are 0, false or empty."""
    given = rows.collect_schema().names()
    filled = [
        pl.col(name)
        if name in given
        else pl.lit(None, dtype)
        if table.schema.columns()[name].nullable
        else _something(dtype)
        for name, dtype in table.polars_schema.items()
    ]
    return rows.select(
        expression.cast(dtype).alias(name)
        for expression, (name, dtype) in zip(filled, table.polars_schema.items(), strict=True)
    )


def _something(dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.List):
        return pl.lit([], dtype)
    if isinstance(dtype, pl.Enum):
        return pl.lit(dtype.categories[0])
    return pl.lit("") if dtype == pl.String else pl.lit(0)


def write(store: RawStore, table: Table, days: Iterable[date], rows: pl.LazyFrame) -> None:
    """Run some days of a table, which together hold these rows."""
    whole = of_table(table, rows)
    for some in consecutive_days(days):
        store.warehouse.write({table: whole.filter(is_dated(some.first, some.last))}, some)


def cover(store: RawStore, by_events: Collection[date], by_sign_ins: Collection[date]) -> None:
    """Days of which the landing folder has events, and days of which it has sign-ins."""
    days = sorted({*by_events, *by_sign_ins})
    summary = pl.LazyFrame({"date": days, "is_covered": [day in by_events for day in days]})
    write(store, EVENT_SUMMARY, days, summary)
    for day in by_sign_ins:
        header = ",".join(column.delivered for column in SSO_EVENTS.columns)
        landing_file(Path(store.landing_dir).parent, f"sso_events/{day}.csv", header + "\n")
    store.ingest(SSO_EVENTS, DayRange(days[0], days[-1]))


def compute(asset: TableAsset, day: date, store: RawStore) -> list[Row]:
    """The rows of a partition of an asset."""
    days_of = "days_of_month" if asset.table.is_monthly else "days_of"
    inputs = {
        name: store.warehouse.read(OF_NAME[one.table], getattr(one, days_of)(day))
        for name, one in asset.inputs.items()
    }
    rows: Any = asset.compute(days=[day], **inputs, warehouse=store.warehouse, raw_store=store)
    assert isinstance(rows, Pieces)
    return rows_of(asset.table, rows.plans)


def a_user_at_risk(store: RawStore, run_days: Sequence[date]) -> None:
    """A casual user at high risk on the Monday, who is not seen on any of the days run then."""
    user = {"date": MONDAY, "user_id": "u", "segment": "casual", "churn_risk": "high"}
    write(store, USER_SEGMENTS, [MONDAY, *run_days], verdicts.segments([user]))
    write(store, USER_DAILY_ACCESS, run_days, verdicts.accesses([]))


@pytest.mark.parametrize(("covered", "churned"), [(24, 1), (23, None)])
def test_a_risk_is_tested_once_its_days_are_covered(
    tmp_path: Path, covered: int, churned: int | None
) -> None:
    """Twelve days by events, the others by sign-ins, one of them by both."""
    store = raw_store(tmp_path, "2024-01-01")
    a_user_at_risk(store, AFTER[-1:])
    cover(store, AFTER[:12], AFTER[11:covered])
    told = {
        (row["tenant_id"], row["churn_risk"]): row["churned"]
        for row in compute(churn_backtest, MONDAY, store)
    }
    assert (told["t", "high"], told["all", "high"]) == (churned, churned)


@pytest.mark.parametrize(("run_days", "inactive"), [(FEBRUARY, 1), (FEBRUARY[:-1], None)])
def test_a_cohort_is_followed_once_a_month_is_run(
    tmp_path: Path, run_days: Sequence[date], inactive: int | None
) -> None:
    store = raw_store(tmp_path, "2024-01-01")
    a_user_at_risk(store, run_days)
    cover(store, FEBRUARY[:12], FEBRUARY[12:])
    told = {
        (row["tenant_id"], row["months_after"]): row["inactive"]
        for row in compute(stability, date(2024, 1, 1), store)
    }
    assert told["t", 1] == inactive
    assert told["t", 2] is told["t", 3] is None


def test_labels_of_the_warehouse_are_judged(tmp_path: Path) -> None:
    store = raw_store(tmp_path, "2024-01-01")
    a_user_at_risk(store, [])
    given = verdicts.labels([{"date": MONDAY, "user_id": "u", "label": "casual"}])
    write(store, LABELS_TABLE, [MONDAY], given)
    inputs = {
        "labels": store.warehouse.read(LABELS_TABLE),
        "user_segments": store.warehouse.read(USER_SEGMENTS),
    }
    rows: Any = evaluation.compute(days=[MONDAY], **inputs)
    told = {row["tenant_id"]: row["casual_as_casual"] for row in rows_of(TABLES[0], rows.plans)}
    assert told == {"t": 1, "all": 1}
