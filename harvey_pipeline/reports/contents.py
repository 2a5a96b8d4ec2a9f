"""Which tables the report reads, by subject: known without the chapters, which load what draws."""

from collections.abc import Collection, Mapping
from typing import Final

from harvey_pipeline.engagement.tables import TABLES as ENGAGEMENT
from harvey_pipeline.graph.assets import Reads, reads

DASHBOARD: Final = ENGAGEMENT["marts.harvey_analytics_dashboard"]
"""Has a row for every day of which there can be a report."""

DAYS_READ: Final[Mapping[str, Mapping[str, int]]] = {
    "engagement": {
        DASHBOARD.name: 90,
        "core.dim_user": 366,
        "core.user_daily_activity": 181,
        "marts.active_usage": 95,
        "marts.daily_event_summary": 182,
        "marts.daily_firm_usage_summary": 90,
        "marts.daily_user_engagement": 90,
        "marts.data_quality_daily": 29,
        "marts.growth_accounting": 89,
        "marts.power_curve": 35,
        "marts.tier_changes": 7,
        "months.retention_cohorts": 366,
    },
    "agents": {
        "agents.daily_agent_performance": 119,
        "agents.daily_agent_summary": 90,
        "agents.daily_confidence_calibration": 119,
        "agents.dim_agent_type": 0,
        "agents.dim_annotator": 0,
        "agents.dim_shop": 0,
        "agents.fact_agent_approval": 180,
        "agents.fact_agent_query": 119,
        "agents.fact_training_feedback": 119,
    },
    "conversations": {
        "conversations.activation_funnel": 90,
        "conversations.conversations": 119,
        "conversations.credit_exhaustion": 119,
        "conversations.failure_points": 90,
        "conversations.intents": 119,
        "conversations.pmf_dashboard": 90,
        "conversations.pmf_signals": 90,
        "conversations.retention": 90,
        "conversations.tool_usage": 90,
        "conversations.use_cases": 90,
    },
    "segments": {
        "segments.ab_readout": 366,
        "segments.churn_backtest": 60,
        "segments.engagement_scores": 27,
        "segments.evaluation": 27,
        "segments.license_opportunities": 27,
        "segments.recommendations": 27,
        "segments.roi_summary": 27,
        "segments.segmentation_dashboard": 182,
        "segments.stability": 366,
        "segments.user_segments": 182,
    },
}
"""How many days before the report's own are read of each table, by the subject's name.

Of a table by months those whose first day is among them.
"""


def tables_read(subjects: Collection[str]) -> tuple[Reads, ...]:
    """What a report with the chapters of some subjects reads."""
    wanted = (DAYS_READ[name] for name in DAYS_READ if name in subjects)
    return tuple(reads(table, before=days) for part in wanted for table, days in part.items())
