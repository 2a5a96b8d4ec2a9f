"""Checks of the scores: percentiles that are ranks, an organisation that holds."""

from datetime import timedelta
from typing import Final

import polars as pl

from harvey_pipeline.checks.blocks import within
from harvey_pipeline.checks.plan import Judging, TableChecks
from harvey_pipeline.checks.report import WARN, Check
from harvey_pipeline.segments.settings import read_segment_settings
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.transforms.holidays import is_holiday

_HOLIDAYS: Final = read_segment_settings().holidays

_DAYS_BEFORE: Final = 28
_FALL_PERCENT: Final = 10
_STEEP_FALL_PERCENT: Final = 20
_ROUNDING: Final = 1e-9
"""How far two computations of one percentile may differ by rounding."""

PERCENTILES_RANKED: Final = Check(
    "percentiles_are_ranked",
    "A percentile is 100 x the percent rank of the score among the tenant's users with an access, "
    "of whom there are as many as told, and null exactly without access.",
    is_blocking=True,
)
ORGANISATION_HOLDS: Final = Check(
    "organisation_score_holds",
    f"The mean score of all active users is at most {_FALL_PERCENT} % below that of "
    f"{_DAYS_BEFORE} days before, holiday periods aside; more than {_STEEP_FALL_PERCENT} % below "
    "is an error.",
    WARN,
    advice="Look whether events or SSO events are missing; if they are complete, people left.",
)


def _judge_percentiles(rows: pl.DataFrame, judging: Judging) -> None:
    """Rank whole days anew."""
    tenant = ("date", "tenant_id")
    is_active = pl.col("total_accesses") > 0
    score = pl.when(is_active).then("engagement_score")
    ranked = rows.select(
        "date",
        "user_id",
        "tenant_id",
        "engagement_score",
        "percentile",
        "tenant_active_users",
        users=score.count().over(tenant),
        rank=score.rank("min").over(tenant),
    )
    others = pl.max_horizontal(pl.col("users").cast(pl.Float64) - 1, pl.lit(1.0))
    expected = 100 * (pl.col("rank").cast(pl.Float64) - 1) / others
    differs = (pl.col("percentile") - pl.col("expected")).abs() > _ROUNDING
    failing = ranked.with_columns(expected=expected).filter(
        (pl.col("percentile").is_null() != pl.col("expected").is_null())
        | differs.fill_null(False)
        | (pl.col("tenant_active_users") != pl.col("users"))
    )
    judging.report.add(PERCENTILES_RANKED, failing.drop("rank"))


def _judge_organisation(judging: Judging) -> None:
    """Compare sums of whole millionths, so that the bounds are exact."""
    days = [day for day in judging.days if not is_holiday(day, _HOLIDAYS)]
    window = (days[0] - timedelta(days=_DAYS_BEFORE), days[-1]) if days else ()
    means = judging.connection.sql(
        "select date, sum(active_users)::bigint as users, "
        "sum(round(mean_score * active_users * 1000000))::bigint as millionths "
        f"from {TENANT_ENGAGEMENT} where {within('date', window)} and active_users > 0 group by 1"
    ).pl()
    before = means.with_columns(pl.col("date").dt.offset_by(f"{_DAYS_BEFORE}d"))
    col = pl.col
    # S / N < (1 - p / 100) x s / n, without dividing; whole numbers of 128 bits hold the products.
    now = 100 * col("millionths").cast(pl.Int128) * col("users_before")
    earlier = col("millionths_before").cast(pl.Int128) * col("users")
    fallen = (
        means.join(before, on="date", suffix="_before")
        .filter(col("date").is_in(days), now < (100 - _FALL_PERCENT) * earlier)
        .sort("date")
    )
    mean = col("millionths") / col("users") / 1_000_000
    mean_before = col("millionths_before") / col("users_before") / 1_000_000
    judging.report.add(
        ORGANISATION_HOLDS,
        fallen.select(
            "date",
            mean_score=mean,
            mean_score_before=mean_before,
            fall_percent=100 * (1 - mean / mean_before),
        ),
    )
    if not fallen.filter(now < (100 - _STEEP_FALL_PERCENT) * earlier).is_empty():
        judging.report.escalate(ORGANISATION_HOLDS)


CHECKS: Final[tuple[TableChecks, ...]] = (
    TableChecks(ENGAGEMENT_SCORES, (PERCENTILES_RANKED,), judge_rows=_judge_percentiles),
    TableChecks(TENANT_ENGAGEMENT, (ORGANISATION_HOLDS,), _judge_organisation),
)
