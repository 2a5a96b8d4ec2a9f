"""Reference implementation of the subject's tables: slow, plain, standard library only.

It shares no code with the pipeline. Tests compare the two on the same landing folder.
"""

from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

from harvey_pipeline_tests.agents.oracle.dates import dim_date_table
from harvey_pipeline_tests.agents.oracle.dimensions import (
    dim_agent_type_table,
    dim_annotator_table,
    dim_customer_table,
    dim_shop_table,
    dimensions_of,
)
from harvey_pipeline_tests.agents.oracle.facts import (
    approval_facts,
    deliveries_of,
    feedback_facts,
    query_facts,
)
from harvey_pipeline_tests.agents.oracle.marts import (
    annotation_columns,
    banded,
    calibration_columns,
    customer_daily_table,
    draft_columns,
    mart,
    query_columns,
    summary_table,
)
from harvey_pipeline_tests.agents.oracle.sources import SOURCES
from harvey_pipeline_tests.agents.oracle.views import (
    agent_expectations_view,
    annotation_quality_view,
    approval_rate_trend_view,
    confidence_calibration_view,
    dim_date_today_view,
    pending_drafts_view,
    shop_performance_view,
)
from harvey_pipeline_tests.oracle.landing import (
    Landing,
    drops_table,
    load,
    quarantine_table,
    raw_table,
)
from harvey_pipeline_tests.oracle.values import TableRow

__all__ = ["expected_tables"]


def expected_tables(
    landing: Path,
    days: Sequence[date],
    start_date: date,
    *,
    calendar_end: date,
    today: date,
    fiscal_start: int = 1,
) -> dict[str, list[TableRow]]:
    """Every table and view as it stands once all assets have been run for exactly these days.

    Args:
        landing: The landing folder.
        days: The days run.
        start_date: The calendar's first day.
        calendar_end: The calendar's last day.
        today: The day on which the views are asked.
        fiscal_start: The first month of the fiscal year.
    """
    folder = Landing(landing, start_date, SOURCES)
    loads = {source.name: [load(folder, source, day) for day in days] for source in SOURCES}
    all_loads = [each for some in loads.values() for each in some]
    covered = {
        name: {each.day for each in some if each.is_observed} for name, some in loads.items()
    }
    last_day = max(days)
    dimensions = dimensions_of(loads)
    delivered = deliveries_of(loads["agent_approvals"], days)
    drafts = approval_facts(delivered, dimensions)
    said_of_customers = {
        draft["approval_sk"]: one.row.values for draft, one in zip(drafts, delivered, strict=True)
    }
    queries = query_facts(deliveries_of(loads["agent_queries"], days), dimensions)
    annotations = feedback_facts(deliveries_of(loads["agent_feedback"], days), dimensions)
    customer_daily = customer_daily_table(drafts, said_of_customers)
    dim_date = dim_date_table(start_date, calendar_end, fiscal_start)
    dim_shop = dim_shop_table(dimensions.shops)
    dim_agent_type = dim_agent_type_table(dimensions.agent_types)
    dim_annotator = dim_annotator_table(dimensions.annotators, annotations)
    by_agent_and_shop = partial(mart, keys=("agent_type_sk", "shop_sk"))
    tables = {
        "dim_date": dim_date,
        "dim_shop": dim_shop,
        "dim_agent_type": dim_agent_type,
        "dim_customer": dim_customer_table(dimensions.customers, customer_daily, last_day),
        "dim_annotator": dim_annotator,
        "fact_agent_approval": drafts,
        "fact_agent_query": queries,
        "fact_training_feedback": annotations,
        "customer_daily": customer_daily,
        "daily_agent_performance": by_agent_and_shop(drafts, columns=draft_columns),
        "daily_query_performance": by_agent_and_shop(queries, columns=query_columns),
        "daily_annotation_quality": mart(annotations, ["annotator_sk"], annotation_columns),
        "daily_confidence_calibration": mart(
            banded(drafts), ["agent_type_sk", "confidence_band"], calibration_columns
        ),
        "daily_agent_summary": summary_table(days, covered, drafts, queries, annotations),
        "dim_date_today": dim_date_today_view(dim_date, today),
        "approval_rate_trend": approval_rate_trend_view(drafts, dim_date, last_day),
        "shop_performance": shop_performance_view(queries, dim_shop, today),
        "annotation_quality": annotation_quality_view(annotations, dim_annotator, today),
        "confidence_calibration_30d": confidence_calibration_view(drafts, last_day),
        "agent_expectations": agent_expectations_view(drafts, queries, dim_agent_type, last_day),
        "pending_drafts": pending_drafts_view(drafts, last_day),
    }
    return {
        "raw.drops": drops_table(all_loads),
        "raw.quarantine": quarantine_table(folder, all_loads),
        **{f"raw.raw_{name}": raw_table(some) for name, some in loads.items()},
        **{f"agents.{name}": table for name, table in tables.items()},
    }
