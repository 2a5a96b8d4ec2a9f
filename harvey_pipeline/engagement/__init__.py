"""Engagement: power users, firm health, KPIs, growth and calendar months."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harvey_pipeline.engagement.assets import ASSETS
from harvey_pipeline.engagement.checks import CHECKS
from harvey_pipeline.engagement.dimensions import FIRMS, USERS
from harvey_pipeline.engagement.sample import prepare_sample
from harvey_pipeline.engagement.sources import SOURCES
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.transforms.kpis import usual_volume
from harvey_pipeline.subject import Headline, Subject, Volume

_KPIS: Final[Mapping[str, Mapping[str, str]]] = {
    "Activity": {
        "Events": "total_events",
        "Users today (DAU)": "dau",
        "Users, 7 days (WAU)": "wau",
        "Users, 30 days (MAU)": "mau",
        "Stickiness": "stickiness",
        "Assistant": "assistant_percent",
        "Vault": "vault_percent",
        "Workflow": "workflow_percent",
        "Documents": "total_documents",
        "Feedback": "avg_feedback_score",
        "Volume": "usage_volume_category",
    },
    "Users": {
        "Power": "power_users",
        "High value": "high_value_users",
        "Medium value": "medium_value_users",
        "Low value": "low_value_users",
        "Inactive": "inactive_users",
        "Power user rate": "power_user_rate",
        "Power score": "avg_power_score",
        "Queries a user": "avg_queries_per_user",
        "Active days a user": "avg_active_days_per_user",
        "Use 2+ features": "feature_adoption_rate",
    },
    "Firms": {
        "Active today": "active_firms",
        "Excellent": "excellent_firms",
        "Good": "good_firms",
        "Fair": "fair_firms",
        "Needs attention": "needs_attention_firms",
        "Critical": "critical_firms",
        "Adoption today": "avg_firm_adoption_rate",
        "Feedback": "avg_firm_feedback",
    },
    "Growth": {
        "Trend": "growth_trend",
        "New users": "new_users",
        "Returning users": "returning_users",
        "Power users kept": "power_user_retention",
        "Moved up a tier": "users_moved_up",
        "Moved down a tier": "users_moved_down",
    },
}

SUBJECT: Final = Subject(
    name="engagement",
    title="Who the power users are and why, which firms are healthy, how adoption moves.",
    sources=SOURCES,
    tables=tuple(TABLES.values()),
    dimensions=(USERS, FIRMS),
    assets=ASSETS,
    checks=CHECKS,
    guide=Path(__file__).with_name("guide.md"),
    lineage=Path(__file__).with_name("lineage.json"),
    headline=Headline(
        "KPIs",
        TABLES["marts.harvey_analytics_dashboard"],
        _KPIS,
        Volume("is_volume_usual", "total_events", "event", usual_volume),
    ),
    prepare_sample=prepare_sample,
    # Schedules keep their state under these names.
    jobs={"daily": "daily", "monthly": "monthly"},
)
