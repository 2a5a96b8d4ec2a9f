"""Calendar months: users ranked against each other, firms against their seats, cohorts that stay.

A month is a window that ends on its last day. A month that is not over is the window of the days
that have come.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import polars as pl

from harvey_pipeline.engagement.dimensions import FIRMS
from harvey_pipeline.engagement.tables import TABLES
from harvey_pipeline.engagement.tables.labels import MONTHLY_ENGAGEMENT_LEVELS
from harvey_pipeline.engagement.transforms import scoring
from harvey_pipeline.engagement.transforms.engagement import sum_by_user
from harvey_pipeline.engagement.transforms.first_activity import ENTITY_KEYS
from harvey_pipeline.engagement.transforms.scoring import average_score, percent, ratio
from harvey_pipeline.engagement.transforms.windows import QUERIES_BY_TYPE, sum_window
from harvey_pipeline.history import attributes_as_of
from harvey_pipeline.warehouse.days import is_dated, last_day, month_before, months_of


def rank_users(activity: pl.LazyFrame, months: Sequence[date]) -> Iterator[pl.LazyFrame]:
    """`months.user_engagement` of consecutive months, one frame a month.

    Args:
        activity: `core.user_daily_activity` of those months and of the month before them.
        months: First days of consecutive months, ascending.
    """
    if not months:
        return
    before = month_before(months[0])
    active_before = (
        activity.filter(is_dated(before, last_day(before)))
        .select("user_id")
        .unique()
        .collect(engine="streaming")
    )
    for month in months:
        users = sum_by_user(sum_window(activity, month, last_day(month)))
        was_active = pl.col("user_id").is_in(active_before["user_id"].implode())
        yield _rank_month(month, users.lazy().with_columns(was_active=was_active))
        active_before = users.select("user_id")


def _rank_month(month: date, users: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of one month from one row per user: sums, active dates, firm and `was_active`."""
    types = TABLES["months.user_engagement"].polars_schema
    col = pl.col
    days_since = col("active_dates").bitwise_trailing_zeros().cast(pl.Int32)
    return (
        users.with_columns(
            activity_month=pl.lit(month),
            num_active_days=col("active_dates").bitwise_count_ones().cast(pl.Int16),
            num_queries=col("queries"),
            num_docs=col("documents"),
            last_active_date=pl.lit(last_day(month)) - pl.duration(days=days_since),
            unique_event_types=scoring.unique_event_types(map(col, QUERIES_BY_TYPE)),
            avg_feedback_score=average_score(col("feedback_hundredths"), col("feedback_count")),
            avg_docs_per_query=ratio(col("documents"), col("queries")),
            **{f"num_{name}": col(name) for name in QUERIES_BY_TYPE},
        )
        .with_columns(
            avg_queries_per_active_day=ratio(col("num_queries"), col("num_active_days")),
            active_days_weight=scoring.active_days_weight(col("num_active_days")),
            document_volume_weight=scoring.document_volume_weight(col("num_docs")),
            feature_breadth_weight=scoring.feature_breadth_weight(col("unique_event_types")),
            **_ranks(),
        )
        .with_columns(
            power_user_score=scoring.power_user_score(
                col("active_days_weight"),
                col("document_volume_weight"),
                col("feature_breadth_weight"),
            ),
            pr_num_queries=ratio(col("queries_rank"), col("others")),
            pr_num_docs=ratio(col("docs_rank"), col("others")),
            pr_avg_feedback_score=ratio(col("feedback_rank"), col("scored_others")),
            # Over a common denominator the weighted percent ranks are whole numbers.
            weighted_rank=(col("queries_rank") * 6 + col("docs_rank") * 3) * col("scored_others")
            + col("feedback_rank") * col("others"),
        )
        .with_columns(
            power_user_tier=scoring.power_user_tier(col("power_user_score")),
            engagement_score=ratio(col("weighted_rank"), col("others") * col("scored_others") * 10),
            score_rank=_rank(col("weighted_rank")),
        )
        .with_columns(
            pr_engagement_score=ratio(col("score_rank"), col("others")),
            engagement_level=engagement_level(col("score_rank"), col("others")),
        )
        .with_columns(
            is_power_user=(col("engagement_level") == "high")
            & col("was_active")
            & (col("unique_event_types") >= 2)
        )
        .select(col(name).cast(types[name]) for name in types)
    )


def _ranks() -> dict[str, pl.Expr]:
    """Ranks less one within the month, and the ranks there are: the parts of percent ranks."""
    score = pl.col("avg_feedback_score")
    return {
        "queries_rank": _rank(pl.col("num_queries")),
        "docs_rank": _rank(pl.col("num_docs")),
        "feedback_rank": _rank(score).fill_null(0),
        "others": _at_least_one(pl.len()),
        "scored_others": _at_least_one(score.count()),
    }


def _rank(value: pl.Expr) -> pl.Expr:
    """Rank less one: how many are smaller, for ties share the lowest rank; null stays."""
    return value.rank("min").cast(pl.Int64) - 1


def _at_least_one(rows: pl.Expr) -> pl.Expr:
    """Rows less one; a single row's percent rank is 0, whatever it is divided by."""
    return (rows.cast(pl.Int64) - 1).clip(lower_bound=1)


def engagement_level(rank: pl.Expr, others: pl.Expr) -> pl.Expr:
    """Level by percent rank = rank / others, compared in whole numbers: from 0.8, from 0.3."""
    high, medium, low = MONTHLY_ENGAGEMENT_LEVELS
    return (
        pl.when(rank * 10 >= others * 8)
        .then(pl.lit(high))
        .when(rank * 10 >= others * 3)
        .then(pl.lit(medium))
        .otherwise(pl.lit(low))
        .cast(pl.Enum(MONTHLY_ENGAGEMENT_LEVELS))
    )


def summarise_firm_months(
    activity: pl.LazyFrame,
    dim_firms: pl.LazyFrame,
    months: Sequence[date],
    last_covered: date | None,
) -> Iterator[pl.LazyFrame]:
    """`months.firm_usage_summary` of consecutive months, one frame a month.

    Args:
        activity: `core.user_daily_activity` of those months.
        dim_firms: `core.dim_firms`.
        months: First days of consecutive months, ascending.
        last_covered: Last covered day of events, on which a month that it lies in is seen.
    """
    types = TABLES["months.firm_usage_summary"].polars_schema
    versions = dim_firms.collect()
    for month in months:
        seen_on = min(last_day(month), last_covered or date.max)
        attributes = attributes_as_of(FIRMS, versions, seen_on)
        users = pl.col("num_active_users")
        yield (
            _sum_by_firm(sum_window(activity, month, last_day(month)))
            .lazy()
            .join(attributes.lazy(), on="firm_id", how="left")
            .with_columns(
                activity_month=pl.lit(month),
                avg_feedback_score=average_score(
                    pl.col("feedback_hundredths"), pl.col("feedback_count")
                ),
                queries_per_active_day=ratio(pl.col("num_queries"), pl.col("num_active_days")),
                queries_per_active_user=ratio(pl.col("num_queries"), users),
                docs_per_query=ratio(pl.col("num_docs"), pl.col("num_queries")),
                arr_per_user=ratio(pl.col("arr_usd"), users),
                seat_utilization=percent(users, pl.col("firm_size")),
            )
            .select(pl.col(name).cast(types[name]) for name in types)
        )


def _sum_by_firm(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per firm; a pair is one user, so pairs count users."""
    return pairs.group_by("firm_id").agg(
        num_active_days=pl.col("active_dates").bitwise_or().bitwise_count_ones(),
        num_active_users=pl.len().cast(pl.Int64),
        num_queries=pl.col("queries").sum(),
        num_docs=pl.col("documents").sum(),
        feedback_hundredths=pl.col("feedback_hundredths").sum(),
        feedback_count=pl.col("feedback_count").sum(),
        **{f"num_{name}": pl.col(name).sum() for name in QUERIES_BY_TYPE},
    )


def follow_cohorts(
    known: pl.DataFrame,
    first_activity: pl.LazyFrame,
    active: Mapping[str, pl.LazyFrame],
    counted_months: Collection[date],
    first_month: date,
    covered: tuple[date, date] | None,
) -> pl.LazyFrame:
    """`months.retention_cohorts` once the months from `first_month` on are counted anew.

    What a month's days say changes who belongs to its cohort and to later ones, never to earlier
    ones, and so no cell of an earlier month. A cell of an earlier month that was not over when it
    was counted, or is not by what is covered now, is counted again with the rest.

    Args:
        known: The table before.
        first_activity: `core.first_activity`.
        active: `months.user_engagement` and `months.firm_usage_summary`, by grain.
        counted_months: The months of which these tables were run. Others have no cells.
        first_month: First day of the first month whose days may have changed.
        covered: First and last covered day of events, if any; a month is over if it ends by the
            last one.
    """
    table = TABLES["months.retention_cohorts"]
    if covered is None:
        return table.empty()
    first_covered, last_covered = covered
    is_over = pl.col("activity_month").dt.month_end() <= last_covered
    unsettled = known.filter(~(pl.col("is_complete") & is_over))["activity_month"].min()
    start = min(first_month, unsettled) if isinstance(unsettled, date) else first_month
    months = [one for one in months_of(start, last_covered) if one in counted_months]
    calendar = pl.LazyFrame(
        {
            "activity_month": months,
            "is_complete": [last_day(one) <= last_covered for one in months],
        },
        schema={"activity_month": pl.Date, "is_complete": pl.Boolean},
    )
    members = first_activity.with_columns(
        cohort_month=pl.col("first_activity_date").dt.truncate("1mo")
    ).filter(pl.col("cohort_month") <= last_covered)
    cohorts = members.group_by("grain", "cohort_month").agg(cohort_size=pl.len().cast(pl.Int64))
    retained = _count_retained(members, active, start)
    later, cohort = pl.col("activity_month"), pl.col("cohort_month")
    counted = (
        cohorts.join(calendar, how="cross")
        .filter(cohort <= later)
        .join(retained, on=["grain", "cohort_month", "activity_month"], how="left")
        .with_columns(
            months_since=scoring.months_since(cohort, later),
            retained=pl.when("is_complete").then(pl.col("retained").fill_null(0)),
            is_first_month=pl.lit(value=False),
        )
        .with_columns(retention_rate=percent(pl.col("retained"), pl.col("cohort_size")))
        .select(pl.col(name).cast(dtype) for name, dtype in table.polars_schema.items())
    )
    return (
        pl.concat([known.lazy().filter(later < start), counted])
        # An earlier first day makes another cohort the first one, in months that stay as well.
        .with_columns(is_first_month=cohort == first_covered.replace(day=1))
        .sort(table.key)
    )


def _count_retained(
    members: pl.LazyFrame, active: Mapping[str, pl.LazyFrame], start: date
) -> pl.LazyFrame:
    """Members active in each month from `start` on, by grain, cohort and month."""
    return pl.concat(
        active[grain]
        .filter(pl.col("activity_month") >= start)
        .select("activity_month", entity_id=key)
        .join(members.filter(pl.col("grain") == grain), on="entity_id")
        .group_by("grain", "cohort_month", "activity_month")
        .agg(retained=pl.len().cast(pl.Int64))
        for grain, key in ENTITY_KEYS.items()
    )
