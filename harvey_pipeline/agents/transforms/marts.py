"""From the facts to the marts of each day."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.agents.sources import APPROVALS, UNKNOWN
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import CONFIDENCE_BANDS
from harvey_pipeline.agents.tables.marts import ANNOTATION_COLUMNS, DRAFT_COLUMNS, QUERY_COLUMNS
from harvey_pipeline.agents.transforms.facts import (
    BLOCK_DAYS,
    customer_key,
    date_key,
    rows_that_count,
)
from harvey_pipeline.agents.transforms.sums import (
    mean_percent,
    rate,
    sum_annotations,
    sum_drafts,
    sum_queries,
)
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

_BY_AGENT_AND_SHOP: Final = ("date", "agent_type_sk", "shop_sk")


def summarise_drafts(drafts: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`daily_agent_performance` of some days, in blocks, of facts of drafts."""
    for some in _blocks(drafts, days):
        yield _as_table("daily_agent_performance", sum_drafts(some, _BY_AGENT_AND_SHOP))


def summarise_queries(queries: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`daily_query_performance` of some days, in blocks, of facts of queries."""
    for some in _blocks(queries, days):
        yield _as_table("daily_query_performance", sum_queries(some, _BY_AGENT_AND_SHOP))


def summarise_annotations(
    annotations: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`daily_annotation_quality` of some days, in blocks, of facts of annotations."""
    for some in _blocks(annotations, days):
        yield _as_table("daily_annotation_quality", sum_annotations(some, ("date", "annotator_sk")))


def calibrate_confidence(drafts: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`daily_confidence_calibration` of some days, in blocks, of facts of drafts."""
    is_reviewed = pl.any_horizontal("is_approved", "is_rejected", "is_edited")
    for some in _blocks(drafts, days):
        sums = (
            some.with_columns(confidence_band=confidence_band(), is_reviewed=is_reviewed)
            .group_by("date", "agent_type_sk", "confidence_band")
            .agg(
                total_drafts=pl.len().cast(pl.Int64),
                reviewed=pl.col("is_reviewed").sum().cast(pl.Int64),
                approved=pl.col("is_approved").sum().cast(pl.Int64),
                avg_confidence_of_reviewed=mean_percent("confidence_score", pl.col("is_reviewed")),
            )
            .with_columns(approval_rate_of_reviewed=rate("approved", "reviewed"))
            .with_columns(
                calibration_gap=pl.col("avg_confidence_of_reviewed")
                - pl.col("approval_rate_of_reviewed")
            )
        )
        yield _as_table("daily_confidence_calibration", sums)


def confidence_band() -> pl.Expr:
    """The band of `confidence_score`; its lower end belongs to it."""
    score = pl.col("confidence_score")
    *bands, lowest, none = CONFIDENCE_BANDS
    reached = (pl.when(score >= int(one.partition("-")[0])).then(pl.lit(one)) for one in bands)
    below = pl.when(score.is_null()).then(pl.lit(none)).otherwise(pl.lit(lowest))
    return pl.coalesce(*reached, below).cast(pl.Enum(CONFIDENCE_BANDS))


def sum_customers(approvals: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`customer_daily` of some days, in blocks.

    Args:
        approvals: `raw.raw_agent_approvals` of all drops that may revise drafts of these days.
        days: The days, ascending.
    """
    key = ["date", "customer_email", "shop_domain"]
    columns = [*key[1:], "customer_name", "recommended_action", "created_at"]
    for _, rows in rows_that_count(APPROVALS, approvals, days, columns):
        drafts = rows.filter(pl.col("customer_email").is_not_null()).with_columns(
            pl.col("shop_domain").fill_null(UNKNOWN)
        )
        names = (
            drafts.filter(pl.col("customer_name").is_not_null())
            .group_by(key)
            .agg(pl.col("customer_name").sort_by("created_at", "source_id").last())
        )
        sums = drafts.group_by(key).agg(
            drafts=pl.len().cast(pl.Int64),
            escalated_drafts=(pl.col("recommended_action") == "escalate").sum().cast(pl.Int64),
        )
        customers = sums.join(names, on=key, how="left").with_columns(customer_sk=customer_key())
        yield _as_table("customer_daily", customers)


def summarise_days(
    drafts: pl.LazyFrame,
    queries: pl.LazyFrame,
    annotations: pl.LazyFrame,
    covered: tuple[Sequence[date], Sequence[date], Sequence[date]],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`daily_agent_summary` of some days, in blocks.

    Args:
        drafts: Facts of these days.
        queries: Facts of these days.
        annotations: Facts of these days.
        covered: The days that drops of drafts, of queries and of annotations cover.
        days: The days, ascending.
    """
    names = ("is_approvals_covered", "is_queries_covered", "is_feedback_covered")
    for block in blocks_of_days(days, BLOCK_DAYS):
        dated = is_dated(block[0], block[-1])
        parts = [one.filter(dated) for one in (drafts, queries, annotations)]
        shops = pl.concat([one.select("date", "shop_sk") for one in parts[:2]])
        active = (
            shops.filter(pl.col("shop_sk") != UNKNOWN)
            .group_by("date")
            .agg(active_shops=pl.col("shop_sk").n_unique().cast(pl.Int64))
        )
        summary = pl.LazyFrame({"date": block}, schema={"date": pl.Date}).with_columns(
            pl.col("date").is_in(list(some)).alias(name)
            for name, some in zip(names, covered, strict=True)
        )
        for one in (
            active,
            sum_drafts(parts[0], ["date"]),
            sum_queries(parts[1], ["date"]),
            sum_annotations(parts[2], ["date"]),
        ):
            summary = summary.join(one, on="date", how="left")
        counts = [
            name
            for name in ("active_shops", *DRAFT_COLUMNS, *QUERY_COLUMNS, *ANNOTATION_COLUMNS)
            if TABLES["daily_agent_summary"].polars_schema[name] == pl.Int64
        ]
        yield _as_table(
            "daily_agent_summary", summary.with_columns(pl.col(counts).fill_null(0)).sort("date")
        )


def _blocks(facts: pl.LazyFrame, days: Sequence[date]) -> Iterator[pl.LazyFrame]:
    for block in blocks_of_days(days, BLOCK_DAYS):
        yield facts.filter(is_dated(block[0], block[-1]))


def _as_table(name: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    schema = TABLES[name].polars_schema
    if "date_sk" in schema:
        rows = rows.with_columns(date_sk=date_key())
    return rows.select(list(schema))
