"""The catalogue of reports, out of the days' figures."""

from datetime import date
from typing import Final

import polars as pl

INDEX: Final = "index.html"
"""The first page within a report's folder."""


def list_reports(dashboard: pl.LazyFrame, days: list[date]) -> pl.LazyFrame:
    """One row per day of `days` that has figures (see `AnalyticsReport`)."""
    return dashboard.filter(pl.col("date").is_between(days[0], days[-1])).select(
        "date",
        page=pl.col("date").dt.to_string("%Y-%m-%d") + f"/{INDEX}",
        is_cut_off=pl.col("is_volume_usual").eq_missing(pl.lit(value=False)),
        total_events="total_events",
        dau="dau",
        power_users="power_users",
    )
