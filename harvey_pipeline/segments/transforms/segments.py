"""From scores to segments: every user's segment of every Monday, and what follows from it.

Scores are whole millionths on the way, so that thresholds and roundings are exact.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import (
    CHURN_RISKS,
    MONTH_DAYS,
    SUB_SEGMENTS,
    TRANSITIONS,
)
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.churn import (
    DIP_DAYS_READ,
    find_dips,
    is_suppressed,
    risk_of_churn,
)
from harvey_pipeline.segments.transforms.exact import MILLION, from_millionths
from harvey_pipeline.segments.transforms.holidays import Holiday
from harvey_pipeline.segments.transforms.mondays import mondays_of, mondays_until
from harvey_pipeline.segments.transforms.reviews import (
    confidence,
    gather_labels,
    llm_reasons,
    needs_review,
)
from harvey_pipeline.segments.transforms.seasons import DAYS_READ, adjust, index_seasons
from harvey_pipeline.segments.transforms.sentences import evidence, reasoning
from harvey_pipeline.segments.transforms.settling import (
    HELD_DAYS,
    SETTLING_DAYS,
    WEEK,
    find_mass_changes,
    publish,
    raw_segment,
    settle,
)
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

SCORE_DAYS: Final = SETTLING_DAYS + HELD_DAYS + 2 * WEEK.days
"""How far back scores are read: what was published a week before may be what was settled a week
before the earliest mass change of the three weeks before that."""
TENANT_DAYS: Final = SCORE_DAYS + DAYS_READ
"""How far back the tenants' means are read."""

_BLOCK_MONDAYS: Final = 4

_SCORES: Final = (
    "engagement_score",
    "score_30d",
    "score_30_60d",
    "score_60_90d",
    "consistency_score",
)
_WHOLE_WINDOW_DAYS: Final = 80
"""Observed days of 90 from which on the thirds of a window compare."""
_KNOWN_DAYS: Final = 90
_NEW_DAYS: Final = 30
_LOW_SCORE: Final = 300_000
_TOP_SCORE: Final = 700_000
_STEADY: Final = 500_000

_SUB_SEGMENT: Final = pl.Enum(SUB_SEGMENTS)
_TRANSITION: Final = pl.Enum(TRANSITIONS)


def segment_users(
    scores: pl.LazyFrame,
    tenants: pl.LazyFrame,
    labels: pl.LazyFrame,
    days: Sequence[date],
    *,
    first_day: date,
    accepted: Collection[date],
    holidays: Sequence[Holiday],
) -> Iterator[pl.LazyFrame]:
    """The segments of all users, a few Mondays at a time.

    Args:
        scores: Rows of `segments.engagement_scores` of the Mondays up to `SCORE_DAYS` before the
            first of the days; rows of other days are left out.
        tenants: Rows of `segments.tenant_engagement` of the Mondays up to `TENANT_DAYS` before;
            rows of other days are left out.
        labels: Rows of `segments.labels` of the windows of the Mondays.
        days: The days wanted, ascending and without a gap; of days but Mondays there are no rows.
        first_day: First day of the calendar.
        accepted: Mondays whose mass changes are let through.
        holidays: Periods in which silence is no sign of leaving.

    Returns:
        Rows of `segments.user_segments`, by date and user.
    """
    for mondays in blocks_of_days(mondays_of(days), _BLOCK_MONDAYS):
        settled = settle_history(scores, tenants, mondays).collect(engine="streaming").lazy()
        changes = find_mass_changes(settled, first_day, accepted)
        weekly = _compare_weeks(settled, changes, mondays)
        rows = (
            _whole(_rows_of(scores, mondays).drop("tenant_id"))
            .join(weekly, on=["date", "user_id"])
            .join(_describe_tenants(tenants, mondays), on=["date", "tenant_id"], how="left")
            .join(gather_labels(labels, mondays), on=["date", "user_id"], how="left")
            .with_columns(pl.col("is_flagged").fill_null(value=False))
        )
        yield (
            _judge_churn(_judge_behaviour(rows), mondays, holidays)
            .with_columns(sub_segment=_sub_segment(), confidence=confidence())
            .with_columns(
                needs_review=needs_review(),
                llm_reasons=llm_reasons(),
                reasoning=reasoning(),
                evidence=evidence(),
                score_change_7d=from_millionths("score_change"),
            )
            .with_columns(from_millionths("engagement_score"), from_millionths("adjusted_score"))
            .select(list(USER_SEGMENTS.polars_schema))
            .sort("date", "user_id")
        )


def settle_history(
    scores: pl.LazyFrame, tenants: pl.LazyFrame, mondays: Sequence[date]
) -> pl.LazyFrame:
    """What the Mondays and those before say by themselves, and settled.

    Args:
        scores: As `segment_users` takes them.
        tenants: As `segment_users` takes them.
        mondays: Mondays, ascending and without a gap.

    Returns:
        One row per `date` and `user_id` of the Mondays and of the five before them, the ones that
        published segments rest on: `tenant_id`, `has_access`, `engagement_score` and
        `adjusted_score` (millionths), `raw`, `settled`.
    """
    weeks = (mondays[-1] - mondays[0] + timedelta(days=SCORE_DAYS)).days // WEEK.days
    read = mondays_until(mondays[-1], weeks)
    raw = (
        _rows_of(scores, read)
        .select(
            "date",
            "user_id",
            "tenant_id",
            "percentile",
            "tenant_active_users",
            has_access=pl.col("total_accesses") > 0,
            engagement_score=_in_millionths("engagement_score"),
        )
        .join(index_seasons(tenants, read), on=["date", "tenant_id"], how="left")
        .with_columns(adjusted_score=adjust(pl.col("engagement_score")))
        .select(
            "date",
            "user_id",
            "tenant_id",
            "has_access",
            "engagement_score",
            "adjusted_score",
            raw=raw_segment(),
        )
    )
    return settle(raw).filter(is_dated(read[0] + timedelta(days=SETTLING_DAYS), mondays[-1]))


def _rows_of(scores: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """The rows of some days; those of the days between are not even read."""
    return pl.concat(scores.filter(is_dated(monday, monday)) for monday in mondays)


def _in_millionths(score: str) -> pl.Expr:
    return (pl.col(score) * MILLION).round().cast(pl.Int64)


def _whole(scores: pl.LazyFrame) -> pl.LazyFrame:
    return scores.with_columns(_in_millionths(score).alias(score) for score in _SCORES)


def _compare_weeks(
    settled: pl.LazyFrame, changes: pl.LazyFrame, mondays: Sequence[date]
) -> pl.LazyFrame:
    """Published and proposed segments of the Mondays against those of the Mondays before."""
    published = settled.join(
        publish(settled, changes, [mondays[0] - WEEK, *mondays]), on=["date", "user_id"]
    )
    before = published.select(
        "user_id",
        date=pl.col("date") + WEEK,
        previous_segment="segment",
        raw_before="raw",
        score_before="engagement_score",
    )
    segment, raw, raw_before = pl.col("segment"), pl.col("raw"), pl.col("raw_before")
    stable, watch, at_risk, rising = (pl.lit(one, dtype=_TRANSITION) for one in TRANSITIONS)
    return (
        published.filter(is_dated(mondays[0], mondays[-1]))
        .join(before, on=["date", "user_id"], how="left")
        .select(
            "date",
            "user_id",
            "tenant_id",
            "has_access",
            "adjusted_score",
            "segment",
            "previous_segment",
            "is_held_back",
            is_changed=(segment != pl.col("previous_segment")).fill_null(value=False),
            proposed_segment=raw,
            transition_status=pl.when(raw == segment)
            .then(stable)
            .when(raw < segment, raw_before < segment)
            .then(at_risk)
            .when(raw > segment, raw_before > segment)
            .then(rising)
            .otherwise(watch),
            score_change=pl.col("engagement_score") - pl.col("score_before"),
        )
    )


def _describe_tenants(tenants: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """The means of each tenant on the Mondays, and its dips."""
    read = tenants.filter(is_dated(mondays[0] - timedelta(days=DIP_DAYS_READ), mondays[-1]))
    return (
        read.filter(is_dated(mondays[0], mondays[-1]))
        .select("date", "tenant_id", "mean_accesses", "mean_unique_apps", "mean_session_minutes")
        .join(find_dips(read, mondays), on=["date", "tenant_id"], how="left")
    )


def _judge_behaviour(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Whether users are dormant, grow rapidly, or seem to make up their accesses."""
    is_whole = pl.col("observed_days") >= _WHOLE_WINDOW_DAYS
    recent, total = pl.col("accesses_30d"), pl.col("total_accesses")
    before = total - recent
    # A third of the window against two thirds: five times is ten times the rate.
    is_burst = (recent >= 100) & (before > 0) & (recent >= 5 * before) & is_whole
    is_tour = (
        (pl.col("unique_apps") >= 5)
        & (2 * pl.col("earnest_apps") < pl.col("unique_apps"))
        & (pl.col("avg_session_minutes") < 5)
    )
    is_one_day = (total >= 100) & (2 * pl.col("busiest_day_accesses") >= total)
    return rows.with_columns(
        is_dormant=(pl.col("last_access_days_ago") >= MONTH_DAYS).fill_null(value=True),
        is_rapid_growth=(pl.col("score_30_60d") < _LOW_SCORE)
        & (pl.col("score_60_90d") < _LOW_SCORE)
        & (pl.col("score_30d") > _TOP_SCORE)
        & (pl.col("days_known") >= _KNOWN_DAYS)
        & is_whole,
        is_gaming_suspected=is_burst | is_tour.fill_null(value=False) | is_one_day,
    )


def _judge_churn(
    rows: pl.LazyFrame, mondays: Sequence[date], holidays: Sequence[Holiday]
) -> pl.LazyFrame:
    low = pl.lit("low", dtype=pl.Enum(CHURN_RISKS))
    return (
        rows.with_columns(risk=risk_of_churn())
        .with_columns(is_churn_suppressed=is_suppressed(holidays, mondays))
        .with_columns(churn_risk=pl.when("is_churn_suppressed").then(low).otherwise("risk"))
    )


def _sub_segment() -> pl.Expr:
    """The first kind of user that holds."""
    is_expert = 10 * pl.col("top_app_accesses") >= 7 * pl.col("total_accesses")
    is_power, is_regular = (pl.col("segment") == one for one in ("power", "regular"))
    kinds = {
        "Sign-in Only": ~pl.col("has_access") & (pl.col("auth_successes") > 0),
        "New": pl.col("days_known") < _NEW_DAYS,
        "Dormant": pl.col("is_dormant"),
        "At-risk Churn": pl.col("churn_risk") == "high",
        "Rapid Growth": pl.col("is_rapid_growth"),
    }
    of_power = {
        "Single-tool Expert": is_expert,
        "Multi-tool Specialist": pl.col("earnest_apps") >= 3,
        "Power Generalist": pl.lit(value=True),
    }
    of_regular = {
        "Steady Regular": pl.col("consistency_score") >= _STEADY,
        "Single-tool Expert": is_expert,
        "Intermittent Regular": pl.lit(value=True),
    }
    of_casual = {"Fading": pl.col("trend") == "decreasing", "Occasional": pl.lit(value=True)}
    return (
        pl.when(pl.any_horizontal(*kinds.values()))
        .then(_first_of(kinds))
        .when(is_power)
        .then(_first_of(of_power))
        .when(is_regular)
        .then(_first_of(of_regular))
        .otherwise(_first_of(of_casual))
    )


def _first_of(kinds: dict[str, pl.Expr]) -> pl.Expr:
    return pl.coalesce(
        pl.when(holds).then(pl.lit(kind, dtype=_SUB_SEGMENT)) for kind, holds in kinds.items()
    )
