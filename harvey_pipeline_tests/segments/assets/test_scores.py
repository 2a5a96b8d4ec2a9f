"""How the assets of scores are wired: what they read, and which days count as covered."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harvey_pipeline.landing.source import Source
from harvey_pipeline.segments.assets.scores import engagement_scores, tenant_engagement
from harvey_pipeline.segments.sources import SSO_EVENTS
from harvey_pipeline.segments.tables.access import USER_DAILY_ACCESS
from harvey_pipeline.warehouse.days import DayRange
from harvey_pipeline.warehouse.warehouse import Warehouse
from harvey_pipeline_tests.segments.transforms.accesses import (
    DAY,
    access,
    days_before,
    employee,
    user,
)


class _Ledger:
    """Knows of some days that SSO events cover."""

    def __init__(self, *agos: int) -> None:
        self.days = [days_before(ago) for ago in agos]

    def observed_days(self, source: Source, days: DayRange) -> pl.DataFrame:
        assert source is SSO_EVENTS
        return pl.DataFrame({"day": [day for day in self.days if days.first <= day <= days.last]})


def event_days(**covered: bool) -> pl.LazyFrame:
    rows = [(days_before(int(ago[1:])), is_covered) for ago, is_covered in covered.items()]
    return pl.LazyFrame(rows, schema={"date": pl.Date, "is_covered": pl.Boolean}, orient="row")


@pytest.mark.parametrize(
    ("events", "sso", "observed"),
    [
        ({}, (), 0),
        ({"d0": True, "d1": False, "d89": True}, (), 2),
        ({"d0": False}, (0, 1, 89, 90), 3),
        ({"d0": True, "d1": True}, (1, 2), 3),
    ],
)
def test_a_day_is_covered_by_events_or_sso_events(
    events: dict[str, bool], sso: tuple[int, ...], observed: int, tmp_path: Path
) -> None:
    compute: Any = engagement_scores.compute
    rows = pl.LazyFrame([access(0, devices=["d"], locations=["l"])])
    warehouse = Warehouse(database=str(tmp_path / "warehouse.duckdb"))
    warehouse.write({USER_DAILY_ACCESS: rows}, DayRange(DAY, DAY))
    pieces = compute(
        days=[DAY],
        access=rows,
        user_versions=pl.LazyFrame([user()]),
        employee_versions=pl.LazyFrame([employee("t9")]),
        event_days=event_days(**events),
        raw_store=_Ledger(*sso),
        warehouse=warehouse,
    )
    (frame,) = pieces.plans
    (row,) = frame.collect().rows(named=True)
    assert (row["tenant_id"], row["observed_days"]) == ("t9", observed)
    assert (row["total_accesses"], row["device_count"], row["location_diversity"]) == (1, 1, 1)


def test_a_day_reads_a_year_of_access() -> None:
    read = engagement_scores.inputs["access"].days_of(DAY)
    assert read == DayRange(DAY - timedelta(days=364), DAY)


def test_coverage_is_read_for_the_window() -> None:
    window = DayRange(DAY - timedelta(days=89), DAY)
    assert engagement_scores.inputs["event_days"].days_of(DAY) == window
    (sso,) = engagement_scores.after
    assert (sso.table, sso.days_of(DAY)) == (SSO_EVENTS.table.name, window)


def test_tenants_are_described_by_the_scores_of_the_day() -> None:
    (read,) = tenant_engagement.inputs.values()
    assert (read.table, read.days_of(DAY)) == ("segments.engagement_scores", DayRange(DAY, DAY))
