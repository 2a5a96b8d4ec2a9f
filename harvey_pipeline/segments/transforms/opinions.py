"""What a model is told of whom, and what its answers say: frames only, nothing is asked here."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import (
    CHURN_RISKS,
    MONTH_DAYS,
    PRODUCT_APPS,
    SEGMENTS,
    WINDOW_DAYS,
)
from harvey_pipeline.segments.tables.opinions import LLM_OPINIONS
from harvey_pipeline.segments.tables.scores import ENGAGEMENT_SCORES, TENANT_ENGAGEMENT
from harvey_pipeline.segments.tables.segments import USER_SEGMENTS
from harvey_pipeline.segments.transforms.holidays import Holiday, is_holiday
from harvey_pipeline.segments.transforms.seasons import DAYS_READ, index_seasons
from harvey_pipeline.warehouse.days import is_dated

URGENCY: Final = ("anomaly", "flagged", "near_boundary", "power", "score_moved", "refresh")
"""Reasons to ask a model, the most urgent first."""

TENANT_DAYS: Final = DAYS_READ
"""How far back the tenants' means are read, for their seasons."""

_DECIMALS: Final = 3
_CONSISTENCY_WEEKS: Final = 12
_OTHER_APP: Final = "other"

_KEY: Final = ("date", "user_id", "tenant_id")
_OF_USE: Final = [
    name for name in ENGAGEMENT_SCORES.polars_schema if name not in (*_KEY, "user_created_date")
]
_OF_RULES: Final = [
    name
    for name in USER_SEGMENTS.polars_schema
    if name not in (*_KEY, *_OF_USE)
    # What somebody said of the user would be measured by itself; the rest repeats figures.
    and name not in ("manager_label", "llm_reasons", "reasoning", "evidence")
]
_OF_TENANT: Final = [name for name in TENANT_ENGAGEMENT.polars_schema if name not in _KEY]

_RECOMMENDATIONS: Final = "recommendations"


def describe_users(
    user_segments: pl.LazyFrame,
    engagement_scores: pl.LazyFrame,
    tenant_engagement: pl.LazyFrame,
    monday: date,
    holidays: Sequence[Holiday],
) -> pl.LazyFrame:
    """Of a Monday's users those who are worth a model's opinion, the most urgent first.

    Args:
        user_segments: `segments.user_segments`; of other days rows are left out.
        engagement_scores: `segments.engagement_scores`, likewise.
        tenant_engagement: `segments.tenant_engagement` of the Mondays up to `TENANT_DAYS` before.
        monday: The Monday.
        holidays: Periods of holidays.

    Returns:
        One row per user with a reason to ask, by urgency, then `user_id`: `date`, `user_id`,
        `tenant_id`, `is_advised` (whether recommendations are asked for too), and `facts`, all
        that a model is told: figures of the user, the tenant, the season and the windows, decimals
        rounded to 3. They hold no id, no name, no address and no date.
    """
    reasons = pl.col("llm_reasons")
    urgency = pl.coalesce(
        pl.when(reasons.list.contains(reason)).then(pl.lit(place, pl.Int64))
        for place, reason in enumerate(URGENCY)
    )
    of_day = is_dated(monday, monday)
    users = user_segments.filter(of_day, reasons.list.len() > 0)
    scores = engagement_scores.filter(of_day).select("date", "user_id", *_OF_USE)
    tenants = tenant_engagement.filter(of_day).select(
        "date", "tenant_id", tenant=_facts(_OF_TENANT, TENANT_ENGAGEMENT.polars_schema)
    )
    indices = index_seasons(tenant_engagement, [monday]).select(
        "date",
        "tenant_id",
        season_index=pl.col("index_numerator") / pl.col("index_denominator"),
    )
    kinds = {**ENGAGEMENT_SCORES.polars_schema, **USER_SEGMENTS.polars_schema}
    is_own_app = pl.col("top_app").is_in(PRODUCT_APPS)
    return (
        users.select(*_KEY, *_OF_RULES, urgency=urgency)
        .join(scores, on=["date", "user_id"])
        # An app's name is whatever the sign-ins call it.
        .with_columns(
            top_app=pl.when(is_own_app | pl.col("top_app").is_null())
            .then("top_app")
            .otherwise(pl.lit(_OTHER_APP))
        )
        .join(tenants, on=["date", "tenant_id"], how="left")
        .join(indices, on=["date", "tenant_id"], how="left")
        .sort("urgency", "user_id")
        .select(
            *_KEY,
            is_advised=(pl.col("segment") == "power")
            | (pl.col("churn_risk") == "high").fill_null(value=False),
            facts=pl.struct(
                user=_facts([*_OF_RULES, *_OF_USE], kinds),
                tenant="tenant",
                season=pl.struct(
                    season_index=_rounded("season_index").fill_null(1.0),
                    is_holiday=pl.lit(is_holiday(monday, holidays)),
                ),
                window=pl.struct(
                    days=pl.lit(WINDOW_DAYS),
                    recent_days=pl.lit(MONTH_DAYS),
                    weeks=pl.lit(_CONSISTENCY_WEEKS),
                ),
            ),
        )
    )


def _facts(names: Sequence[str], kinds: dict[str, pl.DataType]) -> pl.Expr:
    """Some columns as one, decimals rounded, labels as text."""
    return pl.struct(
        _rounded(name)
        if kinds[name].is_float()
        else (pl.col(name).cast(pl.String) if isinstance(kinds[name], pl.Enum) else pl.col(name))
        for name in names
    )


def _rounded(name: str) -> pl.Expr:
    # Adding zero makes of a negative zero one without a sign.
    return pl.col(name).round(_DECIMALS) + 0.0


def tell_opinions(answered: pl.LazyFrame, user_segments: pl.LazyFrame) -> pl.LazyFrame:
    """`llm_opinions` of the users of whom a model has answered.

    Args:
        answered: One row per `date` and `user_id`: `opinion`, the JSON object of the answer about
            the segment, the `model` and `prompt_version` of it, and `advice`, the JSON object of
            the recommendations, null where there are none. All answers are valid ones.
        user_segments: `segments.user_segments` of these dates.
    """
    opinion = pl.Struct(
        {
            "segment": pl.String,
            "sub_segment": pl.String,
            "confidence": pl.Float64,
            "reasoning": pl.String,
            "evidence": pl.List(pl.String),
            "churn_risk": pl.String,
        }
    )
    rules = user_segments.select("date", "user_id", pl.col("segment").alias("segment by rules"))
    return (
        answered.with_columns(pl.col("opinion").str.json_decode(opinion))
        .unnest("opinion")
        .join(rules, on=["date", "user_id"])
        .with_columns(
            pl.col("segment").cast(pl.Enum(SEGMENTS)),
            pl.col("churn_risk").cast(pl.Enum(CHURN_RISKS)),
            recommendations=pl.col("advice").str.json_path_match(f"$.{_RECOMMENDATIONS}"),
        )
        .with_columns(agrees=pl.col("segment") == pl.col("segment by rules"))
        .select(list(LLM_OPINIONS.polars_schema))
        .sort("date", "user_id")
    )
