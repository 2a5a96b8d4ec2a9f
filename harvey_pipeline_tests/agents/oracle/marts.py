"""Section 5: what the facts of a day add up to."""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from datetime import date
from fractions import Fraction
from math import floor
from typing import Any, TypeVar

from harvey_pipeline_tests.agents.oracle.facts import UNKNOWN, date_sk
from harvey_pipeline_tests.agents.oracle.sources import SCORES
from harvey_pipeline_tests.oracle.values import TableRow

Group = TypeVar("Group", bound=Hashable)

BANDS = ((90, "90-100"), (80, "80-90"), (70, "70-80"), (60, "60-70"), (50, "50-60"))

# --- Measures -------------------------------------------------------------------------------


def grouped(
    facts: Iterable[TableRow], key: Callable[[TableRow], Group]
) -> dict[Group, list[TableRow]]:
    """The facts under each key."""
    groups: dict[Group, list[TableRow]] = defaultdict(list)
    for fact in facts:
        groups[key(fact)].append(fact)
    return groups


def given(facts: Iterable[TableRow], column: str) -> list[Any]:
    """The values of a column that are not null."""
    return [fact[column] for fact in facts if fact[column] is not None]


def count(facts: Iterable[TableRow], column: str) -> int:
    """How many facts have a flag that is true."""
    return sum(fact[column] is True for fact in facts)


def mean(values: Sequence[float]) -> float | None:
    """The mean, worked out exactly and rounded once; null without values."""
    if not values:
        return None
    return float(sum((Fraction(value) for value in values), Fraction(0)) / len(values))


def percent(part: int, whole: int) -> float | None:
    """A share from 0 to 100; null where the whole is 0."""
    return 100 * part / whole if whole else None


def percentile(values: Sequence[int], share: Fraction) -> float | None:
    """SQL's `percentile_cont`: position `share` x (n - 1) from 0, linear between neighbours."""
    if not values:
        return None
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = floor(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (position - below))


def draft_columns(drafts: Sequence[TableRow]) -> TableRow:
    total = len(drafts)
    approved, rejected = count(drafts, "is_approved"), count(drafts, "is_rejected")
    edited, pending = count(drafts, "is_edited"), count(drafts, "is_pending")
    reviewed = approved + rejected + edited
    times = given(drafts, "review_time_seconds")
    return {
        "total_drafts": total,
        "approved": approved,
        "rejected": rejected,
        "edited": edited,
        "pending": pending,
        "other_status": total - reviewed - pending,
        "reviewed": reviewed,
        "urgent": count(drafts, "is_urgent"),
        "escalated": count(drafts, "is_escalated"),
        "approval_rate": percent(approved, total),
        "rejection_rate": percent(rejected, total),
        "edit_rate": percent(edited, total),
        "approval_rate_of_reviewed": percent(approved, reviewed),
        "avg_confidence": mean(given(drafts, "confidence_score")),
        "avg_review_time_seconds": mean(times),
        "p50_review_time_seconds": percentile(times, Fraction(50, 100)),
        "p95_review_time_seconds": percentile(times, Fraction(95, 100)),
        "avg_character_count": mean(given(drafts, "character_count")),
    }


def query_columns(queries: Sequence[TableRow]) -> TableRow:
    latencies = given(queries, "latency_ms")
    approved, reviewed = count(queries, "is_approved"), len(given(queries, "is_approved"))
    errors = count(queries, "is_error")
    return {
        "total_queries": len(queries),
        "avg_latency_ms": mean(latencies),
        "p50_latency_ms": percentile(latencies, Fraction(50, 100)),
        "p95_latency_ms": percentile(latencies, Fraction(95, 100)),
        "p99_latency_ms": percentile(latencies, Fraction(99, 100)),
        "errors": errors,
        "error_rate": percent(errors, len(given(queries, "is_error"))),
        "approved_queries": approved,
        "reviewed_queries": reviewed,
        "query_approval_rate": percent(approved, len(queries)),
        "query_approval_rate_of_reviewed": percent(approved, reviewed),
        "human_edited_queries": count(queries, "is_human_edited"),
        "avg_result_size_bytes": mean(given(queries, "result_size_bytes")),
    }


def annotation_columns(annotations: Sequence[TableRow]) -> TableRow:
    safe = count(annotations, "is_safe_to_send")
    return {
        "annotations": len(annotations),
        **{f"avg_{column}": mean(given(annotations, column)) for column in SCORES},
        "avg_overall_score": mean(given(annotations, "overall_score")),
        "scored_annotations": len(given(annotations, "overall_score")),
        "safe_annotations": safe,
        "safety_rate": percent(safe, len(given(annotations, "is_safe_to_send"))),
        "labelled_annotations": count(annotations, "has_labels"),
        "rubric_annotations": count(annotations, "has_rubric"),
        "noted_annotations": count(annotations, "has_notes"),
        "avg_draft_length": mean(given(annotations, "draft_length")),
    }


def calibration_columns(drafts: Sequence[TableRow]) -> TableRow:
    reviewed = [
        fact for fact in drafts if fact["is_approved"] or fact["is_rejected"] or fact["is_edited"]
    ]
    approved = count(drafts, "is_approved")
    confidence = mean(given(reviewed, "confidence_score"))
    rate = percent(approved, len(reviewed))
    return {
        "total_drafts": len(drafts),
        "reviewed": len(reviewed),
        "approved": approved,
        "avg_confidence_of_reviewed": confidence,
        "approval_rate_of_reviewed": rate,
        "calibration_gap": None if confidence is None or rate is None else confidence - rate,
    }


def confidence_band(score: float | None) -> str:
    """The band that a confidence falls into, each from its lower bound on."""
    if score is None:
        return "none"
    return next((band for bound, band in BANDS if score >= bound), "0-50")


# --- Tables ---------------------------------------------------------------------------------


def mart(
    facts: Iterable[TableRow],
    keys: Sequence[str],
    columns: Callable[[Sequence[TableRow]], TableRow],
) -> list[TableRow]:
    """One row per date and keys with a fact."""
    groups = grouped(facts, lambda fact: (fact["date"], *(fact[key] for key in keys)))
    return [
        {
            "date": day,
            **dict(zip(keys, values, strict=True)),
            "date_sk": date_sk(day),
            **columns(group),
        }
        for (day, *values), group in groups.items()
    ]


def banded(drafts: Iterable[TableRow]) -> list[TableRow]:
    """Drafts with the band of their confidence."""
    return [
        {**draft, "confidence_band": confidence_band(draft["confidence_score"])} for draft in drafts
    ]


def customer_daily_table(
    drafts: Iterable[TableRow], customers: dict[str, TableRow]
) -> list[TableRow]:
    """`customer_daily`; `customers` gives what each draft says of its own, by `approval_sk`."""
    table = []
    known = [draft for draft in drafts if draft["customer_sk"] != UNKNOWN]
    by_day = grouped(known, lambda draft: (draft["date"], draft["customer_sk"]))
    for (day, customer_sk), group in by_day.items():
        ordered = sorted(group, key=lambda draft: (draft["created_at"], draft["source_id"]))
        said = [customers[draft["approval_sk"]] for draft in ordered]
        names = [one["customer_name"] for one in said if one["customer_name"] is not None]
        table.append(
            {
                "date": day,
                "customer_sk": customer_sk,
                "customer_email": said[0]["customer_email"],
                "shop_domain": said[0]["shop_domain"] or UNKNOWN,
                "drafts": len(group),
                "escalated_drafts": count(group, "is_escalated"),
                "customer_name": names[-1] if names else None,
            }
        )
    return table


def summary_table(
    days: Collection[date],
    covered: dict[str, set[date]],
    drafts: Sequence[TableRow],
    queries: Sequence[TableRow],
    annotations: Sequence[TableRow],
) -> list[TableRow]:
    """`daily_agent_summary`: one row per day run; `covered` days are by source."""
    table = []
    for day in days:
        of_day = [
            [fact for fact in facts if fact["date"] == day]
            for facts in (drafts, queries, annotations)
        ]
        shops = {fact["shop_sk"] for fact in of_day[0] + of_day[1]} - {UNKNOWN}
        table.append(
            {
                "date": day,
                "date_sk": date_sk(day),
                "is_approvals_covered": day in covered["agent_approvals"],
                "is_queries_covered": day in covered["agent_queries"],
                "is_feedback_covered": day in covered["agent_feedback"],
                "active_shops": len(shops),
                **draft_columns(of_day[0]),
                **query_columns(of_day[1]),
                **annotation_columns(of_day[2]),
            }
        )
    return table
