"""Segments against what people call users."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.evaluation import EVALUATION, cell_of
from harvey_pipeline.segments.tables.labels import SEGMENTS, YEAR_DAYS
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.segments.transforms.totals import percent, with_all
from harvey_pipeline.warehouse.days import blocks_of_days, is_dated

RELIABLE_LABELS: Final = 200
"""Labelled users from which an accuracy says something."""

ACCURACY_TARGET: Final = 85
"""Percent that an accuracy is to be above."""

_BLOCK_MONDAYS: Final = 13
_BEFORE: Final = timedelta(days=YEAR_DAYS - 1)


def judge_segments(
    labels: pl.LazyFrame, segments: pl.LazyFrame, days: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`segments.evaluation` of the Mondays among some days.

    Args:
        labels: `segments.labels` of those days and of the 364 before them.
        segments: `segments.user_segments` of the same days.
        days: Ascending.
    """
    for mondays in blocks_of_days(mondays_of(days), _BLOCK_MONDAYS):
        yield _judge_mondays(labels, segments, mondays)


def _judge_mondays(
    labels: pl.LazyFrame, segments: pl.LazyFrame, mondays: Sequence[date]
) -> pl.LazyFrame:
    first, last = mondays[0] - _BEFORE, mondays[-1]
    truths = labels.filter(is_dated(first, last), pl.col("label") != "review").select(
        pl.col("user_id", "labelled_by", "label"),
        labelled_on="date",
        monday=pl.col("date").dt.truncate("1w"),
    )
    truths = truths.collect().lazy()
    # Labels are few: only the rows that they are compared with are kept of all users'.
    found = (
        segments.filter(is_dated(first, last))
        .select("user_id", "tenant_id", "segment", monday="date")
        .join(truths.select("user_id", "monday"), on=["user_id", "monday"], how="semi")
        .collect(engine="streaming")
    )
    calendar = pl.LazyFrame({"date": mondays}, schema={"date": pl.Date})
    latest = (
        truths.join(calendar, how="cross")
        .filter(pl.col("labelled_on").is_between(pl.col("date") - _BEFORE, pl.col("date")))
        .sort(
            ["date", "user_id", "labelled_on", "labelled_by"],
            descending=[False, False, True, False],
        )
        .unique(["date", "user_id"], keep="first", maintain_order=True)
        .join(found.lazy(), on=["user_id", "monday"], how="left")
    )
    return _sum_cells(latest)


def _sum_cells(latest: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of the table from one row per Monday and user: label, and tenant and segment if any."""
    cells = {
        f"{label}_as_{segment}": (
            ((pl.col("label") == label) & (pl.col("segment") == segment)).sum().cast(pl.Int64)
        )
        for label in SEGMENTS
        for segment in SEGMENTS
    }
    labelled, correct = pl.col("labelled_users"), pl.col("correct")
    return (
        with_all(latest, "tenant_id")
        .group_by("date", "tenant_id")
        .agg(
            labelled_users=pl.col("segment").count().cast(pl.Int64),
            unmatched_labels=pl.col("segment").null_count().cast(pl.Int64),
            correct=pl.sum_horizontal(cells[f"{segment}_as_{segment}"] for segment in SEGMENTS),
            **cells,
        )
        .with_columns(
            accuracy=percent(correct, labelled),
            **{
                f"{segment}_precision": percent(
                    cell_of(segment, segment),
                    pl.sum_horizontal(cell_of(label, segment) for label in SEGMENTS),
                )
                for segment in SEGMENTS
            },
            **{
                f"{label}_recall": percent(
                    cell_of(label, label),
                    pl.sum_horizontal(cell_of(label, segment) for segment in SEGMENTS),
                )
                for label in SEGMENTS
            },
            is_reliable=labelled >= RELIABLE_LABELS,
            is_met=pl.when(labelled > 0).then(100 * correct > ACCURACY_TARGET * labelled),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in EVALUATION.polars_schema.items())
        .sort("date", "tenant_id")
    )
