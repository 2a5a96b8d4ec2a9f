"""Counts, means, rates and percentiles of drafts, queries and annotations."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

_BILLION: Final = 1_000_000_000
_TWELFTHS: Final = 12


def _count(condition: str | pl.Expr) -> pl.Expr:
    found = pl.col(condition) if isinstance(condition, str) else condition
    return found.sum().cast(pl.Int64)


def _given(column: str) -> pl.Expr:
    return pl.col(column).count().cast(pl.Int64)


def _mean(column: str) -> pl.Expr:
    """The mean of whole numbers, null without any: their sum is exact in whichever order."""
    value = pl.col(column)
    count = value.count()
    return pl.when(count > 0).then(value.cast(pl.Int64).sum() / count)


def mean_percent(column: str, where: pl.Expr | None = None) -> pl.Expr:
    """The mean of percentages, in billionths, so that their order does not matter."""
    value = pl.col(column) if where is None else pl.col(column).filter(where)
    count = value.count()
    total = (value * _BILLION).round().cast(pl.Int64).sum()
    return pl.when(count > 0).then(total / _BILLION / count)


def mean_score(total: pl.Expr, count: pl.Expr) -> pl.Expr:
    """The mean of overall scores, given their sum in twelfths: each is a mean of up to four."""
    return pl.when(count > 0).then(total / _TWELFTHS / count)


def in_twelfths(score: pl.Expr) -> pl.Expr:
    return (score * _TWELFTHS).round().cast(pl.Int64)


def rate(part: str, whole: str) -> pl.Expr:
    """Percent; null where the whole is 0."""
    return pl.when(pl.col(whole) > 0).then(100 * pl.col(part) / pl.col(whole))


def sum_drafts(drafts: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """The draft columns by some key, of facts of drafts."""
    sums = drafts.group_by(key).agg(
        total_drafts=pl.len().cast(pl.Int64),
        approved=_count("is_approved"),
        rejected=_count("is_rejected"),
        edited=_count("is_edited"),
        pending=_count("is_pending"),
        urgent=_count("is_urgent"),
        escalated=_count("is_escalated"),
        avg_confidence=mean_percent("confidence_score"),
        avg_review_time_seconds=_mean("review_time_seconds"),
        avg_character_count=_mean("character_count"),
        **_percentiles("review_time_seconds", {"p50": 0.5, "p95": 0.95}),
    )
    reviewed = pl.sum_horizontal("approved", "rejected", "edited")
    return sums.with_columns(
        reviewed=reviewed,
        other_status=pl.col("total_drafts") - reviewed - pl.col("pending"),
    ).with_columns(
        approval_rate=rate("approved", "total_drafts"),
        rejection_rate=rate("rejected", "total_drafts"),
        edit_rate=rate("edited", "total_drafts"),
        approval_rate_of_reviewed=rate("approved", "reviewed"),
    )


def sum_queries(queries: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """The query columns by some key, of facts of queries."""
    return (
        queries.group_by(key)
        .agg(
            total_queries=pl.len().cast(pl.Int64),
            avg_latency_ms=_mean("latency_ms"),
            errors=_count("is_error"),
            known=_given("is_error"),
            approved_queries=_count("is_approved"),
            reviewed_queries=_given("is_approved"),
            human_edited_queries=_count("is_human_edited"),
            avg_result_size_bytes=_mean("result_size_bytes"),
            **_percentiles("latency_ms", {"p50": 0.5, "p95": 0.95, "p99": 0.99}),
        )
        .with_columns(
            error_rate=rate("errors", "known"),
            query_approval_rate=rate("approved_queries", "total_queries"),
            query_approval_rate_of_reviewed=rate("approved_queries", "reviewed_queries"),
        )
        .drop("known")
    )


def sum_annotations(annotations: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """The annotation columns by some key, of facts of annotations."""
    overall = pl.col("overall_score")
    return (
        annotations.group_by(key)
        .agg(
            annotations=pl.len().cast(pl.Int64),
            avg_clarity_score=_mean("clarity_score"),
            avg_accuracy_score=_mean("accuracy_score"),
            avg_helpfulness_score=_mean("helpfulness_score"),
            avg_tone_score=_mean("tone_score"),
            avg_overall_score=mean_score(in_twelfths(overall).sum(), overall.count()),
            scored_annotations=_given("overall_score"),
            safe_annotations=_count("is_safe_to_send"),
            judged=_given("is_safe_to_send"),
            labelled_annotations=_count("has_labels"),
            rubric_annotations=_count("has_rubric"),
            noted_annotations=_count("has_notes"),
            avg_draft_length=_mean("draft_length"),
        )
        .with_columns(safety_rate=rate("safe_annotations", "judged"))
        .drop("judged")
    )


def _percentiles(column: str, wanted: Mapping[str, float]) -> dict[str, pl.Expr]:
    """SQL's `percentile_cont`: between the two values next to position p x (n - 1)."""
    value = pl.col(column).cast(pl.Float64)
    return {
        f"{name}_{column}": value.quantile(share, interpolation="linear")
        for name, share in wanted.items()
    }
