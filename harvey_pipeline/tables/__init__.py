"""Every table, once: columns, types, keys, allowed values, rules and descriptions.

A schema's docstring is the table's description and opens with its grain; each layer has a file of
them. From these schemas come the DuckDB tables and their comments, Dagster's column metadata, the
contract checks, and the tests' frames. Rules that span tables live in `checks/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import dataframely as dy
import polars as pl

from harvey_pipeline.tables import core, history, marts, months, raw


@dataclass(frozen=True)
class Table:
    """Where a schema is stored.

    `day_column` names the column by which a table is cut into slices, a day each (or a month each,
    by its first day); a table without one is replaced whole. `key_columns` is the key where a
    column of it may be null, which a schema cannot say of a primary key.
    """

    name: str
    schema: type[dy.Schema]
    day_column: str | None
    key_columns: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        return " ".join((self.schema.__doc__ or "").split())

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        return {name: column.dtype for name, column in self.schema.columns().items()}

    @property
    def key(self) -> list[str]:
        return list(self.key_columns) or self.schema.primary_key()

    @property
    def is_monthly(self) -> bool:
        """Whether a partition of the table is a calendar month, named by its first day."""
        return self.name.startswith("months.")

    def count_partitions(self, first: date, last: date) -> int:
        """How many days, or months, lie between two of them, both counted."""
        if self.is_monthly:
            return (last.year - first.year) * 12 + last.month - first.month + 1
        return (last - first).days + 1

    def empty(self) -> pl.LazyFrame:
        return pl.LazyFrame(schema=self.polars_schema)


TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        Table("raw.raw_users", raw.RawUsers, "drop_date"),
        Table("raw.raw_firms", raw.RawFirms, "drop_date"),
        Table("raw.raw_events", raw.RawEvents, "drop_date"),
        Table("raw.drops", raw.Drops, "drop_date"),
        Table("raw.quarantine", raw.Quarantine, "drop_date"),
        Table("history.user_snapshots", history.Snapshots, None),
        Table("history.firm_snapshots", history.Snapshots, None),
        Table("history.user_intervals", history.UserIntervals, None),
        Table("history.firm_intervals", history.FirmIntervals, None),
        Table("core.dim_user", core.DimUser, None),
        Table("core.dim_firms", core.DimFirms, None),
        Table("core.user_daily_activity", core.UserDailyActivity, "date"),
        Table("core.first_activity", core.FirstActivity, None),
        Table("marts.daily_user_engagement", marts.DailyUserEngagement, "date"),
        Table("marts.daily_firm_usage_summary", marts.DailyFirmUsageSummary, "date"),
        Table("marts.daily_event_summary", marts.DailyEventSummary, "date"),
        Table("marts.harvey_analytics_dashboard", marts.HarveyAnalyticsDashboard, "date"),
        Table(
            "marts.usage_by_segment",
            marts.UsageBySegment,
            "date",
            key_columns=("date", "grain", "segment", "segment_value"),
        ),
        Table("marts.growth_accounting", marts.GrowthAccounting, "date"),
        Table("marts.active_usage", marts.ActiveUsage, "date"),
        Table("marts.power_curve", marts.PowerCurve, "date"),
        Table("months.user_engagement", months.UserEngagement, "activity_month"),
        Table("months.firm_usage_summary", months.FirmUsageSummary, "activity_month"),
        Table("months.retention_cohorts", months.RetentionCohorts, None),
    )
}
