"""The subject's tables beyond the raw ones, each once: columns, keys, allowed values, rules."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.agents.tables import dimensions, facts, marts
from harvey_pipeline.warehouse.table import Table

TABLES: Final[Mapping[str, Table]] = {
    table.own_name: table
    for table in (
        Table("history.shop_versions", dimensions.ShopVersions),
        Table(
            "history.customer_versions", dimensions.CustomerVersions, persons=("customer_email",)
        ),
        Table(
            "history.annotator_versions", dimensions.AnnotatorVersions, persons=("annotator_email",)
        ),
        Table("history.agent_type_versions", dimensions.AgentTypeVersions),
        Table("agents.dim_date", dimensions.DimDate),
        Table("agents.dim_shop", dimensions.DimShop),
        Table("agents.dim_agent_type", dimensions.DimAgentType),
        Table("agents.dim_customer", dimensions.DimCustomer, persons=("customer_email",)),
        Table("agents.dim_annotator", dimensions.DimAnnotator, persons=("annotator_email",)),
        Table(
            "agents.fact_agent_approval", facts.FactAgentApproval, "date", persons=("customer_sk",)
        ),
        Table("agents.fact_agent_query", facts.FactAgentQuery, "date"),
        Table(
            "agents.fact_training_feedback",
            facts.FactTrainingFeedback,
            "date",
            persons=("annotator_sk",),
        ),
        Table(
            "agents.customer_daily", dimensions.CustomerDaily, "date", persons=("customer_email",)
        ),
        Table("agents.daily_agent_performance", marts.DailyAgentPerformance, "date"),
        Table("agents.daily_query_performance", marts.DailyQueryPerformance, "date"),
        Table(
            "agents.daily_annotation_quality",
            marts.DailyAnnotationQuality,
            "date",
            persons=("annotator_sk",),
        ),
        Table("agents.daily_confidence_calibration", marts.DailyConfidenceCalibration, "date"),
        Table(
            "agents.daily_agent_summary",
            marts.DailyAgentSummary,
            "date",
            plotted=("total_drafts", "approval_rate", "total_queries", "annotations"),
        ),
    )
}
"""By their own names."""
