"""From versions and daily sums to the dimensions that the facts are joined to."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.agents.dimensions import AGENT_TYPES, ANNOTATORS, CUSTOMERS
from harvey_pipeline.agents.sources import UNKNOWN
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import (
    BUILT_IN_AGENT_TYPES,
    CUSTOMER_SEGMENTS,
    SILENT_DAYS,
    WINDOW_DAYS,
)
from harvey_pipeline.agents.transforms.sums import in_twelfths, mean_score
from harvey_pipeline.history import OPEN_END, Dimension

_FIRST_DAY: Final = date(1970, 1, 1)
"""Since when the member `unknown` of a dimension with history holds."""


def present_shops(versions: pl.LazyFrame) -> pl.LazyFrame:
    """`dim_shop`, of `history.shop_versions`."""
    end = pl.col("effective_end_date")
    shown = versions.with_columns(
        effective_date="effective_start_date",
        expiration_date=pl.when(end < OPEN_END).then(end),
    )
    unknown = pl.LazyFrame(
        {
            "shop_sk": [UNKNOWN],
            "shop_domain": [UNKNOWN],
            "effective_date": [_FIRST_DAY],
            "is_current": [True],
        }
    )
    return _as_table("dim_shop", pl.concat([shown, unknown], how="diagonal"))


def present_agent_types(versions: pl.LazyFrame) -> pl.LazyFrame:
    """`dim_agent_type`, of `history.agent_type_versions`."""
    codes = list(BUILT_IN_AGENT_TYPES)
    built_in = pl.LazyFrame(
        {
            "agent_type_code": codes,
            "agent_name": [BUILT_IN_AGENT_TYPES[code][0] for code in codes],
            "agent_category": [BUILT_IN_AGENT_TYPES[code][1] for code in codes],
            "is_active": [True] * len(codes),
        }
    )
    latest = _latest(AGENT_TYPES, versions).with_columns(
        is_active=pl.col("is_active") & ~pl.col("has_departed"),
        effective_date="first_start",
        last_updated="effective_start_date",
    )
    missing = built_in.join(latest, on="agent_type_code", how="anti")
    both = pl.concat([latest, missing], how="diagonal")
    return _as_table("dim_agent_type", both.with_columns(agent_type_sk="agent_type_code"))


def segment_customers(
    daily: pl.LazyFrame,
    versions: pl.LazyFrame,
    last: date,
    vip_lifetime_value_usd: float,
    vip_orders: int,
) -> pl.LazyFrame:
    """`dim_customer`.

    Args:
        daily: All of `customer_daily`.
        versions: `history.customer_versions`.
        last: The last day written of `customer_daily`, as of which customers are segmented.
        vip_lifetime_value_usd: From which value on a customer is a VIP.
        vip_orders: From how many orders on a customer is a VIP.
    """
    key = ["customer_email", "shop_domain"]
    is_recent = pl.col("date") > last - timedelta(days=WINDOW_DAYS)
    named = (
        daily.filter(pl.col("customer_name").is_not_null())
        .group_by(key)
        .agg(pl.col("customer_name").get(pl.col("date").arg_max()).alias("name_of_draft"))
    )
    sums = daily.group_by(key).agg(
        interactions=pl.col("drafts").sum(),
        interaction_days=pl.len().cast(pl.Int64),
        first_interaction_date=pl.col("date").min(),
        last_interaction_date=pl.col("date").max(),
        recently_escalated=pl.col("escalated_drafts").filter(is_recent).sum(),
    )
    customers = (
        sums.join(named, on=key, how="left")
        .join(
            _latest(CUSTOMERS, versions).select(*key, *CUSTOMERS.attributes),
            on=key,
            how="full",
            coalesce=True,
        )
        .with_columns(
            pl.col("interactions", "interaction_days").fill_null(0),
            customer_sk=pl.concat_str(key, separator="|"),
            customer_name=pl.coalesce("customer_name", "name_of_draft"),
        )
        .with_columns(customer_segment=_segment(last, vip_lifetime_value_usd, vip_orders))
    )
    unknown = pl.LazyFrame(
        {"customer_sk": [UNKNOWN], "customer_email": [UNKNOWN], "shop_domain": [UNKNOWN]}
    )
    return _as_table("dim_customer", pl.concat([customers, unknown], how="diagonal"))


def _segment(last: date, vip_lifetime_value_usd: float, vip_orders: int) -> pl.Expr:
    at_risk, vip, new, returning = (pl.lit(segment) for segment in CUSTOMER_SEGMENTS)
    orders = pl.col("order_count")
    first, latest = pl.col("first_interaction_date"), pl.col("last_interaction_date")
    is_silent = (pl.col("interaction_days") >= 2) & (
        latest < last - timedelta(days=SILENT_DAYS - 1)
    )
    is_valuable = (pl.col("lifetime_value_usd") >= vip_lifetime_value_usd) | (orders >= vip_orders)
    is_new = first.is_null() | (first > last - timedelta(days=WINDOW_DAYS))
    has_few_orders = orders.is_null() | (orders <= 1)
    segment = (
        pl.when((pl.col("recently_escalated") >= 2) | is_silent)
        .then(at_risk)
        .when(is_valuable)
        .then(vip)
        .when(is_new & has_few_orders)
        .then(new)
        .otherwise(returning)
    )
    return segment.cast(pl.Enum(CUSTOMER_SEGMENTS))


def describe_annotators(daily: pl.LazyFrame, versions: pl.LazyFrame) -> pl.LazyFrame:
    """`dim_annotator`, of all of `daily_annotation_quality` and `history.annotator_versions`."""
    scored = pl.col("scored_annotations")
    twelfths = in_twelfths(pl.col("avg_overall_score") * scored).sum()
    sums = daily.group_by(annotator_email="annotator_sk").agg(
        total_annotations=pl.col("annotations").sum(),
        avg_quality_score=mean_score(twelfths, scored.sum()),
        first_annotation_date=pl.col("date").min(),
        last_annotation_date=pl.col("date").max(),
    )
    latest = _latest(ANNOTATORS, versions).with_columns(
        is_active=pl.col("is_active") & ~pl.col("has_departed")
    )
    unknown = pl.LazyFrame({"annotator_email": [UNKNOWN]})
    is_unknown = pl.col("annotator_email") == UNKNOWN
    annotators = (
        pl.concat([latest, unknown], how="diagonal")
        .join(sums, on="annotator_email", how="full", coalesce=True)
        .with_columns(
            annotator_sk="annotator_email",
            total_annotations=pl.col("total_annotations").fill_null(0),
            is_active=pl.when(~is_unknown).then(pl.col("is_active").fill_null(True)),
        )
    )
    return _as_table("dim_annotator", annotators)


def _latest(dimension: Dimension, versions: pl.LazyFrame) -> pl.LazyFrame:
    """The latest version of each key, with `first_start` of its first, and `has_departed`."""
    start = pl.col("effective_start_date")
    key = list(dimension.key)
    return (
        versions.sort(*key, "effective_start_date")
        .with_columns(first_start=start.first().over(key))
        .unique(key, keep="last", maintain_order=True)
        .with_columns(has_departed=~pl.col("is_current"))
    )


def _as_table(name: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """A dimension's rows, in the order of their key."""
    table = TABLES[name]
    columns = [pl.col(column).cast(dtype) for column, dtype in table.polars_schema.items()]
    return rows.select(columns).sort(table.key)
