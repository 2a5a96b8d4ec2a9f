"""The subject's views: what is relative to today, or to the last day run."""

from collections.abc import Mapping
from typing import Final

from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import WINDOW_DAYS
from harvey_pipeline.warehouse.view import View

_TODAY: Final = "(now() at time zone 'UTC')::date"
_LAST_DAY: Final = "(select max(date) from agents.daily_agent_summary)"
"""The summary has a row for every day run."""

_MONTH_NOW: Final = f"date_trunc('month', {_TODAY})::date"


def _trailing(day: str = "date") -> str:
    """A condition: a day lies within the 30 days up to the last day run."""
    return f"{day} between {_LAST_DAY} - {WINDOW_DAYS - 1} and {_LAST_DAY}"


def _view(name: str, description: str, columns: Mapping[str, str], query: str, *reads: str) -> View:
    return View(
        f"agents.{name}", description, columns, query, tuple(TABLES[table] for table in reads)
    )


DIM_DATE_TODAY: Final = _view(
    "dim_date_today",
    "One row per `date_actual`: `agents.dim_date`, and where each day lies from today, UTC.",
    {
        "is_current_day": "Whether it is today.",
        "is_current_week": "Whether it lies in the ISO week of today.",
        "is_current_month": "Whether it lies in the month of today.",
        "is_current_quarter": "Whether it lies in the quarter of today.",
        "is_current_year": "Whether it lies in the year of today.",
        "days_from_today": "Days from today; below 0 in the past.",
    },
    f"""
    select *,
        date_actual = {_TODAY} as is_current_day,
        date_trunc('week', date_actual) = date_trunc('week', {_TODAY}) as is_current_week,
        date_trunc('month', date_actual) = date_trunc('month', {_TODAY}) as is_current_month,
        date_trunc('quarter', date_actual) = date_trunc('quarter', {_TODAY}) as is_current_quarter,
        date_trunc('year', date_actual) = date_trunc('year', {_TODAY}) as is_current_year,
        date_actual - {_TODAY} as days_from_today
    from agents.dim_date
    """,
    "dim_date",
)

APPROVAL_RATE_TREND: Final = _view(
    "approval_rate_trend",
    "One row per `date_actual` of the 30 days up to the last day run: drafts and their approval.",
    {
        "date_actual": "The day.",
        "day_of_week": "ISO: 1 is Monday.",
        "total_drafts": "Drafts.",
        "approved": "Approved drafts.",
        "approval_rate_pct": "Approved of all drafts, percent, rounded to 2 decimals.",
        "avg_confidence": "Mean confidence, percent.",
    },
    f"""
    select date_actual, day_of_week, total_drafts, approved,
        round(approval_rate, 2) as approval_rate_pct, avg_confidence
    from agents.daily_agent_summary
    join agents.dim_date on date_actual = date
    where {_trailing()}
    order by date_actual
    """,
    "daily_agent_summary",
    "dim_date",
)

SHOP_PERFORMANCE: Final = _view(
    "shop_performance",
    "One row per (`month`, `shop_domain`) with a query: how fast and how well shops are answered.",
    {
        "month": "First day of the month.",
        "shop_domain": "Shop.",
        "shop_name": "Name at its latest query of the month.",
        "plan_type": "Plan at its latest query of the month.",
        "total_queries": "Queries.",
        "avg_latency": "Mean latency, ms.",
        "p95_latency": "95th percentile of latency, ms.",
        "approval_rate": "Approved of all queries, percent, rounded to 2 decimals.",
        "rank_in_month": "Place by queries, then by name; 1 has most.",
        "is_current_month": "Whether today lies in the month.",
    },
    f"""
    with months as (
        select date_trunc('month', date)::date as month, shop_domain,
            arg_max(shop_sk, created_at) as latest, count(*) as total_queries,
            avg(latency_ms) as avg_latency, quantile_cont(latency_ms, 0.95) as p95_latency,
            round(100.0 * count(*) filter (is_approved) / count(*), 2) as approval_rate
        from agents.fact_agent_query
        join agents.dim_shop using (shop_sk)
        where shop_sk <> 'unknown'
        group by all
    )
    select month, months.shop_domain, shop_name, plan_type, total_queries, avg_latency,
        p95_latency, approval_rate,
        row_number() over (
            partition by month order by total_queries desc, months.shop_domain
        ) as rank_in_month,
        month = {_MONTH_NOW} as is_current_month
    from months
    join agents.dim_shop on shop_sk = latest
    """,
    "fact_agent_query",
    "dim_shop",
)

ANNOTATION_QUALITY: Final = _view(
    "annotation_quality",
    "One row per (`month`, `annotator_sk`) with an annotation: what annotators think.",
    {
        "month": "First day of the month.",
        "annotator_sk": "Annotator.",
        "annotator_name": "Name.",
        "role": "Role.",
        "total_annotations": "Annotations.",
        "avg_overall_quality": "Mean overall score.",
        "avg_clarity": "Mean clarity score.",
        "avg_accuracy": "Mean accuracy score.",
        "avg_helpfulness": "Mean helpfulness score.",
        "avg_tone": "Mean tone score.",
        "safety_rate": "Safe of the annotations of which it is known, percent.",
        "is_current_month": "Whether today lies in the month.",
    },
    f"""
    select date_trunc('month', date)::date as month, annotator_sk, annotator_name, role,
        count(*) as total_annotations, avg(overall_score) as avg_overall_quality,
        avg(clarity_score) as avg_clarity, avg(accuracy_score) as avg_accuracy,
        avg(helpfulness_score) as avg_helpfulness, avg(tone_score) as avg_tone,
        100.0 * count(*) filter (is_safe_to_send) / nullif(count(is_safe_to_send), 0)
            as safety_rate,
        month = {_MONTH_NOW} as is_current_month
    from agents.fact_training_feedback
    join agents.dim_annotator using (annotator_sk)
    group by all
    """,
    "fact_training_feedback",
    "dim_annotator",
)

CONFIDENCE_CALIBRATION_30D: Final = _view(
    "confidence_calibration_30d",
    "One row per (`agent_type_sk`, `confidence_band`) with a draft in the 30 days up to the last "
    "day run: is a confident draft a good one?",
    {
        "agent_type_sk": "Agent type.",
        "confidence_band": "Band of the confidence, percent.",
        "total_drafts": "Drafts.",
        "reviewed": "Approved, rejected and edited drafts.",
        "approved": "Approved drafts.",
        "avg_confidence_of_reviewed": "Mean confidence of reviewed drafts, percent.",
        "approval_rate_of_reviewed": "Approved of reviewed drafts, percent.",
        "calibration_gap": "Confidence - approval rate; above 0: too sure of itself.",
    },
    f"""
    select *, avg_confidence_of_reviewed - approval_rate_of_reviewed as calibration_gap
    from (
        select agent_type_sk, confidence_band, sum(total_drafts)::bigint as total_drafts,
            sum(reviewed)::bigint as reviewed, sum(approved)::bigint as approved,
            sum(avg_confidence_of_reviewed * reviewed)
                / nullif(sum(reviewed) filter (avg_confidence_of_reviewed is not null), 0)
                as avg_confidence_of_reviewed,
            100.0 * sum(approved) / nullif(sum(reviewed), 0) as approval_rate_of_reviewed
        from agents.daily_confidence_calibration
        where {_trailing()}
        group by agent_type_sk, confidence_band
    )
    """,
    "daily_confidence_calibration",
    "daily_agent_summary",
)

AGENT_EXPECTATIONS: Final = _view(
    "agent_expectations",
    "One row per agent type: the 30 days up to the last day run against what is expected of it.",
    {
        "agent_type_sk": "Agent type.",
        "agent_name": "Name.",
        "total_drafts": "Drafts.",
        "approval_rate_of_reviewed": "Approved of reviewed drafts, percent.",
        "expected_approval_rate": "Expected approval rate, percent.",
        "total_queries": "Queries.",
        "avg_latency_ms": "Mean latency, ms.",
        "expected_avg_latency_ms": "Expected mean latency, ms.",
        "is_approval_rate_met": "Whether the approval rate is as expected or above.",
        "is_latency_met": "Whether the mean latency is as expected or below.",
    },
    f"""
    with drafts as (
        select agent_type_sk, sum(total_drafts)::bigint as total_drafts,
            100.0 * sum(approved) / nullif(sum(reviewed), 0) as approval_rate_of_reviewed
        from agents.daily_agent_performance
        where {_trailing()}
        group by agent_type_sk
    ), queries as (
        select agent_type_sk, count(*) as total_queries, avg(latency_ms) as avg_latency_ms
        from agents.fact_agent_query
        where {_trailing()}
        group by agent_type_sk
    )
    select agent_type_sk, agent_name, coalesce(total_drafts, 0) as total_drafts,
        approval_rate_of_reviewed, expected_approval_rate,
        coalesce(total_queries, 0) as total_queries, avg_latency_ms, expected_avg_latency_ms,
        approval_rate_of_reviewed >= expected_approval_rate as is_approval_rate_met,
        avg_latency_ms <= expected_avg_latency_ms as is_latency_met
    from agents.dim_agent_type
    left join drafts using (agent_type_sk)
    left join queries using (agent_type_sk)
    """,
    "daily_agent_performance",
    "fact_agent_query",
    "dim_agent_type",
    "daily_agent_summary",
)

PENDING_DRAFTS: Final = _view(
    "pending_drafts",
    "One row per draft that waits for its review, oldest first: `agents.fact_agent_approval`.",
    {"age_days": "Days from its creation to the last day run."},
    f"""
    select *, {_LAST_DAY} - date as age_days
    from agents.fact_agent_approval
    where is_pending
    order by created_at, source_id
    """,
    "fact_agent_approval",
    "daily_agent_summary",
)

VIEWS: Final = (
    DIM_DATE_TODAY,
    APPROVAL_RATE_TREND,
    SHOP_PERFORMANCE,
    ANNOTATION_QUALITY,
    CONFIDENCE_CALIBRATION_30D,
    AGENT_EXPECTATIONS,
    PENDING_DRAFTS,
)
