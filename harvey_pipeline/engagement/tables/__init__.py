"""The subject's tables beyond the raw ones, each once: columns, keys, allowed values, rules."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.engagement.tables import core, marts, months
from harvey_pipeline.landing.data_quality_table import DataQualityDaily
from harvey_pipeline.warehouse.table import Table

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        Table("core.dim_user", core.DimUser, persons=("user_id",)),
        Table("core.dim_firms", core.DimFirms),
        Table("core.user_daily_activity", core.UserDailyActivity, "date", persons=("user_id",)),
        Table(
            "core.first_activity",
            core.FirstActivity,
            persons=("entity_id",),
            persons_if="grain = 'user'",
        ),
        Table(
            "marts.daily_user_engagement", marts.DailyUserEngagement, "date", persons=("user_id",)
        ),
        Table("marts.daily_firm_usage_summary", marts.DailyFirmUsageSummary, "date"),
        Table("marts.daily_event_summary", marts.DailyEventSummary, "date"),
        Table(
            "marts.harvey_analytics_dashboard",
            marts.HarveyAnalyticsDashboard,
            "date",
            plotted=("total_events", "dau", "wau", "mau", "stickiness", "power_users"),
        ),
        Table("marts.tier_changes", marts.TierChanges, "date", persons=("user_id",)),
        Table(
            "marts.usage_by_segment",
            marts.UsageBySegment,
            "date",
            key_columns=("date", "grain", "segment", "segment_value"),
        ),
        Table("marts.growth_accounting", marts.GrowthAccounting, "date"),
        Table("marts.active_usage", marts.ActiveUsage, "date"),
        Table("marts.power_curve", marts.PowerCurve, "date"),
        Table("marts.data_quality_daily", DataQualityDaily, "drop_date"),
        Table(
            "months.user_engagement",
            months.UserEngagement,
            "activity_month",
            is_monthly=True,
            persons=("user_id",),
        ),
        Table(
            "months.firm_usage_summary",
            months.FirmUsageSummary,
            "activity_month",
            is_monthly=True,
        ),
        Table("months.retention_cohorts", months.RetentionCohorts, is_monthly=True),
    )
}
