"""From what drops delivered to the facts, with the keys of their dimensions as of their day."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.agents.sources import APPROVALS, FEEDBACK, QUERIES, UNKNOWN
from harvey_pipeline.agents.tables import TABLES
from harvey_pipeline.agents.tables.labels import BUILT_IN_AGENT_TYPES, DEFAULT_AGENT_TYPE, STATUSES
from harvey_pipeline.landing.repeats import latest_deliveries
from harvey_pipeline.landing.source import Source
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

BLOCK_DAYS: Final = 7
"""Days whose rows are held at a time."""

_SCORES: Final = ("clarity_score", "accuracy_score", "helpfulness_score", "tone_score")


def date_key(day: str = "date") -> pl.Expr:
    """YYYYMMDD as a whole number."""
    at = pl.col(day).dt
    return at.year() * 10_000 + at.month().cast(pl.Int32) * 100 + at.day().cast(pl.Int32)


def rows_that_count(
    source: Source, raw: pl.LazyFrame, days: Sequence[date], columns: Sequence[str] = ()
) -> Iterator[tuple[Sequence[date], pl.LazyFrame]]:
    """Of each block of days, the rows of the latest drop for each id and day.

    `raw` are the accepted rows of all drops that may hold rows of these days; `columns` those that
    are wanted besides the key, none for all.
    """
    key = ("source_id", "event_date", "drop_date")
    for block in blocks_of_days(days, BLOCK_DAYS):
        first, last = block[0], block[-1]
        drops = is_dated(first, last + timedelta(days=source.late_days), "drop_date")
        rows = raw.filter(drops & is_dated(first, last, "event_date"))
        if columns:
            rows = rows.select(list(dict.fromkeys((*key, *columns))))
        yield block, latest_deliveries(source, rows).rename({"event_date": "date"})


def _with_shop_keys(
    facts: pl.LazyFrame, shop_versions: pl.LazyFrame, days: Sequence[date]
) -> pl.LazyFrame:
    """Facts with `shop_sk`: the shop's version of their day, or the latest that ended before it."""
    versions = shop_versions.select("shop_domain", "shop_sk", starts="effective_start_date").sort(
        "starts"
    )
    shown = (
        versions.select("shop_domain")
        .unique()
        .join(pl.LazyFrame({"date": days}, schema={"date": pl.Date}), how="cross")
        .sort("date")
        .join_asof(
            versions,
            left_on="date",
            right_on="starts",
            by="shop_domain",
            strategy="backward",
            check_sortedness=False,
        )
        .select("shop_domain", "date", "shop_sk")
    )
    return facts.join(shown, on=["shop_domain", "date"], how="left").with_columns(
        pl.col("shop_sk").fill_null(UNKNOWN)
    )


def _with_agent_type_keys(
    facts: pl.LazyFrame, agent_type_versions: pl.LazyFrame, default: str
) -> pl.LazyFrame:
    """Facts with `agent_type_code` and, where it is known by their day, the same as key."""
    built_in = pl.LazyFrame(
        {"agent_type_code": list(BUILT_IN_AGENT_TYPES), "begins": date.min},
        schema={"agent_type_code": pl.String, "begins": pl.Date},
    )
    delivered = agent_type_versions.select("agent_type_code", begins="effective_start_date")
    known = pl.concat([built_in, delivered]).group_by("agent_type_code").agg(pl.col("begins").min())
    return (
        facts.with_columns(pl.col("agent_type_code").fill_null(default))
        .join(known, on="agent_type_code", how="left")
        .with_columns(
            agent_type_sk=pl.when(pl.col("begins") <= pl.col("date"))
            .then("agent_type_code")
            .otherwise(pl.lit(UNKNOWN))
        )
    )


def customer_key() -> pl.Expr:
    """The key of a draft's customer: e-mail and shop, or `unknown` without an e-mail."""
    pair = pl.concat_str("customer_email", pl.col("shop_domain").fill_null(UNKNOWN), separator="|")
    return pl.when(pl.col("customer_email").is_null()).then(pl.lit(UNKNOWN)).otherwise(pair)


def build_drafts(
    approvals: pl.LazyFrame,
    shop_versions: pl.LazyFrame,
    agent_type_versions: pl.LazyFrame,
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`fact_agent_approval` of some days, in blocks.

    Args:
        approvals: `raw.raw_agent_approvals` of all drops that may revise drafts of these days.
        shop_versions: `history.shop_versions`.
        agent_type_versions: `history.agent_type_versions`.
        days: The days, ascending.
    """
    status = {f"is_{word}": (pl.col("status") == word).fill_null(False) for word in STATUSES}
    for block, rows in rows_that_count(APPROVALS, approvals, days):
        facts = _with_shop_keys(rows, shop_versions, block)
        yield _as_table(
            "fact_agent_approval",
            _with_agent_type_keys(facts, agent_type_versions, DEFAULT_AGENT_TYPE),
            approval_sk=_fact_key(),
            customer_sk=customer_key(),
            review_time_seconds=(pl.col("reviewed_at") - pl.col("created_at")).dt.total_seconds(),
            is_urgent=(pl.col("priority") == "urgent").fill_null(False),
            is_escalated=(pl.col("recommended_action") == "escalate").fill_null(False),
            **status,
        )


def build_queries(
    queries: pl.LazyFrame,
    shop_versions: pl.LazyFrame,
    agent_type_versions: pl.LazyFrame,
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`fact_agent_query` of some days, in blocks; arguments as of `build_drafts`."""
    for block, rows in rows_that_count(QUERIES, queries, days):
        facts = _with_shop_keys(rows, shop_versions, block)
        yield _as_table(
            "fact_agent_query",
            _with_agent_type_keys(facts, agent_type_versions, UNKNOWN),
            query_sk=_fact_key(),
        )


def build_annotations(
    feedback: pl.LazyFrame, shop_versions: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`fact_training_feedback` of some days, in blocks; arguments as of `build_drafts`."""
    given = pl.sum_horizontal(pl.col(score).is_not_null().cast(pl.Int32) for score in _SCORES)
    for block, rows in rows_that_count(FEEDBACK, feedback, days):
        yield _as_table(
            "fact_training_feedback",
            _with_shop_keys(rows, shop_versions, block),
            feedback_sk=_fact_key(),
            annotator_sk=pl.col("annotator_email").fill_null(UNKNOWN),
            overall_score=pl.when(given > 0).then(pl.sum_horizontal(_SCORES) / given),
            has_labels=pl.col("has_labels").fill_null(False),
            has_rubric=pl.col("has_rubric").fill_null(False),
            has_notes=pl.col("has_notes").fill_null(False),
        )


def _fact_key() -> pl.Expr:
    return pl.concat_str("source_id", pl.col("date").dt.strftime("%Y%m%d"), separator="_")


def _as_table(name: str, facts: pl.LazyFrame, **columns: pl.Expr) -> pl.LazyFrame:
    with_keys = facts.with_columns(date_sk=date_key(), **columns)
    return with_keys.select(list(TABLES[name].polars_schema))
