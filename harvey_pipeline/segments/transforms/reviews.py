"""How sure a segment is, who called the user what, and what is worth a model's opinion.

Scores are whole millionths.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import SMALL_TENANT, WINDOW_DAYS
from harvey_pipeline.segments.tables.segments import REVIEW_BELOW
from harvey_pipeline.segments.transforms.settling import CASUAL_BELOW, POWER_ABOVE, SEGMENT
from harvey_pipeline.warehouse.days import is_dated

_REVIEW: Final = "review"
_REVIEW_DAYS: Final = 6
_SURE_AT: Final = 100_000
"""Distance from a bound, in millionths, from which on a segment is wholly separate."""
_NEAR: Final = 20_000
_MOVED: Final = 150_000
_GAMED_CONFIDENCE: Final = 0.35
_ENOUGH_ACCESSES: Final = 10
_REFRESH_WEEKS: Final = 13
_FIRST_MONDAY: Final = date(1970, 1, 5)
_HEX_DIGITS: Final = 8


def confidence() -> pl.Expr:
    """0.5, up to 0.3 for the distance from the segment's bounds, and up to 0.2 for evidence.

    By `segment`, `proposed_segment`, `has_access`, `adjusted_score`, `percentile`,
    `tenant_active_users`, `observed_days`, `total_accesses`, `is_gaming_suspected`.
    """
    evidence = (pl.col("observed_days") / WINDOW_DAYS) * (
        pl.when(pl.col("has_access"))
        .then(pl.min_horizontal(pl.lit(1.0), pl.col("total_accesses") / _ENOUGH_ACCESSES))
        .otherwise(1.0)
    )
    sum_of_parts = 0.5 + 0.3 * _separation() + 0.2 * evidence
    most = pl.when(pl.col("is_gaming_suspected")).then(_GAMED_CONFIDENCE).otherwise(1.0)
    return pl.min_horizontal(sum_of_parts, most)


def needs_review() -> pl.Expr:
    return pl.col("confidence").round(9) < REVIEW_BELOW


def _separation() -> pl.Expr:
    """The distance from the bounds in units of `_SURE_AT`, from 0 to 1."""
    score = pl.col("adjusted_score")
    above_power, above_casual = (
        (score - bound) / _SURE_AT for bound in (POWER_ABOVE, CASUAL_BELOW)
    )
    # A tenth of a rank from 0 to 1 is 10 of a percentile; small tenants are not ranked.
    is_small = pl.col("tenant_active_users") < SMALL_TENANT
    ranked = pl.when(~is_small).then(pl.col("percentile"))
    rank_above_power, rank_above_casual = ((ranked - bound) / 10 for bound in (75, 25))
    # A null does not count in the least and the most of some values.
    power = pl.min_horizontal(above_power, rank_above_power)
    casual = pl.min_horizontal(-above_casual, -rank_above_casual)
    regular = pl.min_horizontal(
        pl.max_horizontal(-above_power, -rank_above_power),
        pl.max_horizontal(above_casual, rank_above_casual),
    )
    distance = (
        pl.when(pl.col("segment") == "power")
        .then(power)
        .when(pl.col("segment") == "casual")
        .then(casual)
        .otherwise(regular)
    )
    return (
        pl.when(pl.col("proposed_segment") != pl.col("segment"))
        .then(0.0)
        .when(~pl.col("has_access"))
        .then(1.0)
        .otherwise(distance.clip(0.0, 1.0))
    )


def gather_labels(labels: pl.LazyFrame, mondays: Sequence[date]) -> pl.LazyFrame:
    """What people say of users: a row per Monday and user with a label in the window.

    Args:
        labels: `date`, `user_id`, `labelled_by`, `label` of the windows of the Mondays.
        mondays: The Mondays.

    Returns:
        `date`, `user_id`, `manager_label` (null where all are reviews), `is_flagged`.
    """
    window = timedelta(days=WINDOW_DAYS - 1)
    is_review = pl.col("label") == _REVIEW
    word = pl.col("label").cast(pl.String).filter(~is_review)
    days = pl.LazyFrame({"date": mondays}, schema={"date": pl.Date})
    return (
        labels.filter(is_dated(mondays[0] - window, mondays[-1]))
        .rename({"date": "labelled_on"})
        .join(days, how="cross")
        .filter(
            pl.col("labelled_on") <= pl.col("date"),
            pl.col("labelled_on") >= pl.col("date") - window,
        )
        .sort(pl.col("labelled_on"), "labelled_by", descending=[True, False])
        .group_by("date", "user_id", maintain_order=True)
        .agg(
            manager_label=word.first().cast(SEGMENT),
            is_flagged=(
                is_review & (pl.col("labelled_on") >= pl.col("date") - timedelta(days=_REVIEW_DAYS))
            ).any(),
        )
    )


def llm_reasons() -> pl.Expr:
    """Why a row is worth a model's opinion, a list in a fixed order.

    By columns of `user_segments`, `is_flagged`, `has_access`, and `score_change` in millionths.
    """
    is_near = pl.any_horizontal(
        (pl.col("adjusted_score") - bound).abs() <= _NEAR for bound in (POWER_ABOVE, CASUAL_BELOW)
    )
    reasons = {
        "near_boundary": is_near & pl.col("has_access"),
        "score_moved": pl.col("score_change").abs() > _MOVED,
        "anomaly": (pl.col("churn_risk") == "high").fill_null(value=False)
        | pl.col("is_rapid_growth")
        | pl.col("is_gaming_suspected"),
        "power": pl.col("segment") == "power",
        "refresh": (
            _weeks() + pl.col("user_id").map_batches(_numbers_of, pl.Int64, is_elementwise=True)
        )
        % _REFRESH_WEEKS
        == 0,
        "flagged": pl.col("is_flagged"),
    }
    return pl.concat_list(
        pl.when(holds).then(pl.lit(reason)) for reason, holds in reasons.items()
    ).list.drop_nulls()


def _weeks() -> pl.Expr:
    """Weeks from the first Monday of 1970."""
    return (pl.col("date") - _FIRST_MONDAY).dt.total_days() // 7


def _spread_number() -> pl.Expr:
    """A number of each user, the first digits of its SHA-256: users are spread evenly by it."""
    return pl.col("user_id").map_batches(_numbers_of, pl.Int64, is_elementwise=True)


def _numbers_of(users: pl.Series) -> pl.Series:
    digests = (hashlib.sha256(user.encode()).hexdigest() for user in users)
    numbers = [int(digest[:_HEX_DIGITS], 16) for digest in digests]
    return pl.Series(users.name, numbers, pl.Int64)
