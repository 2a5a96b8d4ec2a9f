"""Section 6: what is computed when asked."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from harvey_pipeline_tests.agents.oracle.facts import UNKNOWN
from harvey_pipeline_tests.agents.oracle.marts import (
    annotation_columns,
    banded,
    calibration_columns,
    draft_columns,
    grouped,
    query_columns,
)
from harvey_pipeline_tests.oracle.values import TableRow


def rounded(value: float | None) -> float | None:
    """A number with 2 decimals; a half goes away from zero."""
    if value is None:
        return None
    return float(Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP))


def month_of(day: date) -> date:
    return day.replace(day=1)


def days_up_to(last_day: date) -> list[date]:
    """The 30 days up to the last one run."""
    return [last_day - timedelta(days=back) for back in range(30)]


def among(facts: Iterable[TableRow], days: Sequence[date]) -> list[TableRow]:
    return [fact for fact in facts if fact["date"] in days]


def dim_date_today_view(dim_date: Iterable[TableRow], today: date) -> list[TableRow]:
    """`dim_date`, and where its days lie as seen from today."""

    def quarter(day: date) -> tuple[int, int]:
        return day.year, (day.month - 1) // 3

    return [
        {
            **row,
            "is_current_day": day == today,
            "is_current_week": day.isocalendar()[:2] == today.isocalendar()[:2],
            "is_current_month": month_of(day) == month_of(today),
            "is_current_quarter": quarter(day) == quarter(today),
            "is_current_year": day.year == today.year,
            "days_from_today": (day - today).days,
        }
        for row in dim_date
        for day in [row["date_actual"]]
    ]


def approval_rate_trend_view(
    drafts: Iterable[TableRow], dim_date: Iterable[TableRow], last_day: date
) -> list[TableRow]:
    """One row per date of the last 30 days, of those that the calendar has."""
    view = []
    days = days_up_to(last_day)
    of_day = grouped(among(drafts, days), lambda draft: draft["date"])
    for row in dim_date:
        day = row["date_actual"]
        if day in days:
            columns = draft_columns(of_day.get(day, []))
            view.append(
                {
                    "date_actual": day,
                    "day_of_week": row["day_of_week"],
                    "total_drafts": columns["total_drafts"],
                    "approved": columns["approved"],
                    "approval_rate_pct": rounded(columns["approval_rate"]),
                    "avg_confidence": columns["avg_confidence"],
                }
            )
    return view


def shop_performance_view(
    queries: Iterable[TableRow], dim_shop: Iterable[TableRow], today: date
) -> list[TableRow]:
    """One row per month and shop with a query, ranked within the month."""
    shops = {row["shop_sk"]: row for row in dim_shop}
    known = [query for query in queries if query["shop_sk"] != UNKNOWN]
    groups = grouped(
        known,
        lambda query: (month_of(query["date"]), shops[query["shop_sk"]]["shop_domain"]),
    )
    view = []
    for (month, shop_domain), group in groups.items():
        latest = max(group, key=lambda query: query["created_at"])
        columns = query_columns(group)
        better = sum(
            other_month == month and (-len(others), other) < (-len(group), shop_domain)
            for (other_month, other), others in groups.items()
        )
        view.append(
            {
                "month": month,
                "shop_domain": shop_domain,
                "shop_name": shops[latest["shop_sk"]]["shop_name"],
                "plan_type": shops[latest["shop_sk"]]["plan_type"],
                "total_queries": len(group),
                "avg_latency": columns["avg_latency_ms"],
                "p95_latency": columns["p95_latency_ms"],
                "approval_rate": rounded(columns["query_approval_rate"]),
                "rank_in_month": better + 1,
                "is_current_month": month == month_of(today),
            }
        )
    return view


def annotation_quality_view(
    annotations: Iterable[TableRow], dim_annotator: Iterable[TableRow], today: date
) -> list[TableRow]:
    """One row per month and annotator with an annotation."""
    annotators = {row["annotator_sk"]: row for row in dim_annotator}
    groups = grouped(annotations, lambda fact: (month_of(fact["date"]), fact["annotator_sk"]))
    view = []
    for (month, annotator_sk), group in groups.items():
        columns = annotation_columns(group)
        view.append(
            {
                "month": month,
                "annotator_sk": annotator_sk,
                "annotator_name": annotators[annotator_sk]["annotator_name"],
                "role": annotators[annotator_sk]["role"],
                "total_annotations": columns["annotations"],
                "avg_overall_quality": columns["avg_overall_score"],
                "avg_clarity": columns["avg_clarity_score"],
                "avg_accuracy": columns["avg_accuracy_score"],
                "avg_helpfulness": columns["avg_helpfulness_score"],
                "avg_tone": columns["avg_tone_score"],
                "safety_rate": columns["safety_rate"],
                "is_current_month": month == month_of(today),
            }
        )
    return view


def confidence_calibration_view(drafts: Iterable[TableRow], last_day: date) -> list[TableRow]:
    """`daily_confidence_calibration` of 30 days, per agent type and band."""
    groups = grouped(
        banded(among(drafts, days_up_to(last_day))),
        lambda draft: (draft["agent_type_sk"], draft["confidence_band"]),
    )
    return [
        {"agent_type_sk": code, "confidence_band": band, **calibration_columns(group)}
        for (code, band), group in groups.items()
    ]


def agent_expectations_view(
    drafts: Iterable[TableRow],
    queries: Iterable[TableRow],
    dim_agent_type: Iterable[TableRow],
    last_day: date,
) -> list[TableRow]:
    """What each agent type did in 30 days against what is expected of it."""
    days = days_up_to(last_day)
    drafts_of = grouped(among(drafts, days), lambda fact: fact["agent_type_sk"])
    queries_of = grouped(among(queries, days), lambda fact: fact["agent_type_sk"])
    view = []
    for agent_type in dim_agent_type:
        code = agent_type["agent_type_sk"]
        rate = draft_columns(drafts_of.get(code, []))["approval_rate_of_reviewed"]
        latency = query_columns(queries_of.get(code, []))["avg_latency_ms"]
        expected_rate = agent_type["expected_approval_rate"]
        expected_latency = agent_type["expected_avg_latency_ms"]
        is_rate_known = rate is not None and expected_rate is not None
        is_latency_known = latency is not None and expected_latency is not None
        view.append(
            {
                "agent_type_sk": code,
                "total_drafts": len(drafts_of.get(code, [])),
                "approval_rate_of_reviewed": rate,
                "expected_approval_rate": expected_rate,
                "total_queries": len(queries_of.get(code, [])),
                "avg_latency_ms": latency,
                "expected_avg_latency_ms": expected_latency,
                "is_approval_rate_met": rate >= expected_rate if is_rate_known else None,
                "is_latency_met": latency <= expected_latency if is_latency_known else None,
            }
        )
    return view


def pending_drafts_view(drafts: Iterable[TableRow], last_day: date) -> list[TableRow]:
    """The review queue, oldest first."""
    pending = [draft for draft in drafts if draft["is_pending"]]
    return [
        {**draft, "age_days": (last_day - draft["date"]).days}
        for draft in sorted(pending, key=lambda draft: draft["created_at"])
    ]
