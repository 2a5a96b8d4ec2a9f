"""Whether interventions help: users who got one against users who did not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.evaluation import AB_READOUT, METRICS, SEGMENTS_AND_ALL
from harvey_pipeline.segments.tables.labels import GROUPS, WINDOW_DAYS
from harvey_pipeline.segments.transforms.exact import MILLION
from harvey_pipeline.segments.transforms.statistics import (
    newcombe_interval,
    normal_interval,
    normal_p_value,
    pooled_error,
    welch_error,
)
from harvey_pipeline.segments.transforms.totals import with_all
from harvey_pipeline.warehouse.days import is_dated, last_day

RELIABLE_USERS: Final = 30
"""Users of a group from which a metric says something."""

_SHARES: Final = ("conversion", "license_use")
"""Metrics that a user has or has not."""

_ACTIVE_DAYS: Final = 10
"""Days of use in 90 from which a licence is used."""

_FEWEST: Final = 2
"""Users of a group without whom nothing is compared."""

_DECIMALS: Final = 9
"""To which a number is rounded before it is compared with a target."""

_WEEK: Final = timedelta(weeks=1)
_WINDOW: Final = timedelta(days=WINDOW_DAYS)


@dataclass(frozen=True)
class _Target:
    """What a column of a metric is to be above, or (`is_reached_by_it`) at least."""

    column: str
    value: float
    is_reached_by_it: bool = False


_TARGETS: Final[Mapping[str, _Target]] = {
    "engagement_change": _Target("relative_percent", 10.0),
    "conversion": _Target("treatment_value", 0.2),
    "license_use": _Target("relative_percent", 20.0),
    "hours_saved": _Target("treatment_value", 5.0, is_reached_by_it=True),
    "satisfaction": _Target("treatment_value", 3.5, is_reached_by_it=True),
}

_CELL: Final = ("kind", "segment", "metric")


def read_out_experiments(
    starts: pl.LazyFrame, segments: pl.LazyFrame, scores: pl.LazyFrame, months: Sequence[date]
) -> Iterator[pl.LazyFrame]:
    """`segments.ab_readout` of some months, one frame a month.

    Args:
        starts: `segments.intervention_starts` of those months.
        segments: `segments.user_segments` from the month before to the fourth after each.
        scores: `segments.engagement_scores` up to the fourth month after each.
        months: First days of months, ascending.
    """
    for month in months:
        own = starts.filter(is_dated(month, last_day(month))).collect()
        if own.is_empty():
            yield AB_READOUT.empty()
        else:
            yield _read_out(_with_outcomes(_participants(own), segments, scores, month), month)


def _participants(starts: pl.DataFrame) -> pl.DataFrame:
    """One row per kind (and all kinds) and user: the first start, and what it is compared by."""
    day = pl.col("date")
    delivered = ("date", "group", "satisfaction", "reported_hours_saved")
    return (
        with_all(starts.lazy().with_columns(own_kind="kind"), "kind")
        .sort("kind", "user_id", "date", "own_kind")
        .group_by("kind", "user_id", maintain_order=True)
        .agg(
            pl.col(delivered).first(),
            is_contaminated=pl.col("group").n_unique() > 1,
        )
        .with_columns(
            # Weeks begin on Mondays.
            before=(day - timedelta(days=1)).dt.truncate("1w"),
            after=(day + _WINDOW + _WEEK - timedelta(days=1)).dt.truncate("1w"),
        )
        .collect()
    )


def _with_outcomes(
    participants: pl.DataFrame, segments: pl.LazyFrame, scores: pl.LazyFrame, month: date
) -> pl.DataFrame:
    """Participants with their row of the Monday before, and those of the Monday after."""
    last = last_day(month)
    users = participants.lazy().select("user_id").unique()
    is_before = is_dated(month - _WEEK, last - timedelta(days=1))
    is_after = is_dated(month + _WINDOW, last + _WINDOW + _WEEK - timedelta(days=1))

    def of_users(rows: pl.LazyFrame, is_read: pl.Expr, *columns: pl.Expr) -> pl.LazyFrame:
        # Participants are few: only their rows are kept of all users'.
        chosen = rows.filter(is_read).select("user_id", *columns)
        return chosen.join(users, on="user_id", how="semi").collect(engine="streaming").lazy()

    day, segment, score = pl.col("date"), pl.col("segment"), pl.col("engagement_score")
    before = of_users(
        segments, is_before, day.alias("before"), segment.alias("segment_before"), _exact(score)
    ).rename({"engagement_score": "score_before"})
    after = of_users(
        segments, is_after, day.alias("after"), segment.alias("segment_after"), _exact(score)
    ).rename({"engagement_score": "score_after"})
    use = of_users(scores, is_after, day.alias("after"), pl.col("active_days"))
    return (
        participants.lazy()
        .join(before, on=["user_id", "before"], how="left")
        .join(after, on=["user_id", "after"], how="left")
        .join(use, on=["user_id", "after"], how="left")
        .sort("kind", "user_id")
        .collect()
    )


def _exact(score: pl.Expr) -> pl.Expr:
    """A score in whole millionths."""
    return (score * MILLION).round().cast(pl.Int64)


def _read_out(participants: pl.DataFrame, month: date) -> pl.LazyFrame:
    """Rows of the table of one month from its participants."""
    of_cells = with_all(
        participants.lazy().with_columns(segment=pl.col("segment_before").cast(pl.String)),
        "segment",
    ).with_columns(pl.col("segment").cast(pl.Enum(SEGMENTS_AND_ALL)))
    metrics = pl.LazyFrame({"metric": METRICS}, schema={"metric": pl.Enum(METRICS)})
    cells = of_cells.group_by("kind", "segment").agg(
        contaminated_users=pl.col("is_contaminated").sum().cast(pl.Int64)
    )
    groups = _sum_groups(_observe(of_cells.filter(~pl.col("is_contaminated")))).collect()
    rows = cells.join(metrics, how="cross")
    for group in GROUPS:
        own = groups.lazy().filter(pl.col("group") == group).drop("group")
        rows = rows.join(
            own.select(*_CELL, pl.exclude(_CELL).name.prefix(f"{group}_")), on=_CELL, how="left"
        )
    return (
        rows.with_columns(pl.col(f"{group}_n").fill_null(0) for group in GROUPS)
        .with_columns(activity_month=pl.lit(month), **_comparison())
        .with_columns(is_met=_is_met(), target=_by_metric(lambda target: pl.lit(target.value)))
        .select(pl.col(name).cast(dtype) for name, dtype in AB_READOUT.polars_schema.items())
        .sort(_CELL)
    )


def _observe(participants: pl.LazyFrame) -> pl.LazyFrame:
    """One row per cell, user and metric that is known of the user: `value`, and the score before.

    Of a metric that a user has or has not the value is 1 or 0.
    """
    before, after = pl.col("score_before"), pl.col("score_after")
    has_both = before.is_not_null() & after.is_not_null()
    was_casual = pl.col("segment_before") == "casual"
    values = {
        "engagement_change": (after - before) / MILLION,
        "conversion": pl.when(has_both & was_casual).then(pl.col("segment_after") != "casual"),
        "license_use": pl.when(has_both).then(pl.col("active_days") >= _ACTIVE_DAYS),
        "hours_saved": pl.col("reported_hours_saved"),
        "satisfaction": pl.col("satisfaction"),
    }
    index = ("kind", "segment", "group", "score_before")
    return (
        participants.select(
            *index, **{metric: value.cast(pl.Float64) for metric, value in values.items()}
        )
        .unpivot(METRICS, index=index, variable_name="metric", value_name="value")
        .drop_nulls("value")
        .with_columns(pl.col("metric").cast(pl.Enum(METRICS)))
    )


def _sum_groups(observations: pl.LazyFrame) -> pl.LazyFrame:
    """One row per cell, metric and group: number, sum, mean and variance, and mean score before."""
    value = pl.col("value")
    # A sum of equal numbers is rounded, and its mean may be another number than they are.
    are_equal = value.min() == value.max()
    return observations.group_by(*_CELL, "group").agg(
        n=pl.len().cast(pl.Int64),
        sum=value.sum(),
        value=pl.when(are_equal).then(value.min()).otherwise(value.mean()),
        variance=pl.when(are_equal).then(0.0).otherwise(value.var(ddof=1)),
        base=pl.col("score_before").mean() / MILLION,
    )


def _comparison() -> dict[str, pl.Expr]:
    """What is told of both groups, each null where it cannot be."""
    col = pl.col
    sizes = treated, controls = col("treatment_n"), col("control_n")
    difference = col("treatment_value") - col("control_value")
    of_shares = (col("treatment_sum"), treated, col("control_sum"), controls)
    of_means = (col("treatment_variance"), treated, col("control_variance"), controls)

    is_share = col("metric").is_in(_SHARES)
    error = pl.when(is_share).then(pooled_error(*of_shares)).otherwise(welch_error(*of_means))
    shares, means = newcombe_interval(*of_shares), normal_interval(difference, error)
    is_change = col("metric") == "engagement_change"
    base = pl.when(is_change).then("control_base").otherwise("control_value")
    compared = {
        "difference": difference,
        "relative_percent": pl.when(base != 0).then(100 * difference / base),
        "ci_low": pl.when(is_share).then(shares.low).otherwise(means.low),
        "ci_high": pl.when(is_share).then(shares.high).otherwise(means.high),
        "p_value": normal_p_value(difference, error),
    }
    are_comparable = pl.all_horizontal(size >= _FEWEST for size in sizes)
    return {
        **{name: pl.when(are_comparable).then(one) for name, one in compared.items()},
        "is_reliable": pl.all_horizontal(size >= RELIABLE_USERS for size in sizes),
    }


def _is_met() -> pl.Expr:
    """Whether a metric's target is reached; the last bits of a division do not decide it."""

    def verdict(target: _Target) -> pl.Expr:
        compared = pl.col(target.column).round(_DECIMALS)
        return compared >= target.value if target.is_reached_by_it else compared > target.value

    return _by_metric(verdict)


def _by_metric(of: Callable[[_Target], pl.Expr]) -> pl.Expr:
    """What the target of a row's metric gives."""
    return pl.coalesce(
        pl.when(pl.col("metric") == metric).then(of(target)) for metric, target in _TARGETS.items()
    )
