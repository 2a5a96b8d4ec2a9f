"""The first day on which each user took each step, and on which each signed up.

Kept as a table, so that nobody has to look through all of history for it. It does not depend on
the order in which days are taken in: taking in days anew replaces what they said, and only whoever
took a step first on one of them, and no longer does, is looked for on later days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.users import FIRST_STEPS
from harvey_pipeline.history import OPEN_END
from harvey_pipeline.warehouse.days import DayRange, is_dated

STEPS: Final = (
    "first_active_date",
    "first_chat_date",
    "first_tool_date",
    "first_creation_date",
    "first_exhaustion_date",
    "first_completion_date",
)

_COLUMNS: Final = list(FIRST_STEPS.polars_schema)
_BY_THEMSELVES: Final = ("signed_up_date", "first_active_date")
"""Dates that matter by themselves. Of the other steps it matters only whether they are done."""


@dataclass(frozen=True)
class Steps:
    """What steps are read from: the tables of some days.

    `user_daily`, `conversation_daily` and `credit_exhaustion` of the schema `conversations`.
    """

    user_daily: pl.LazyFrame
    conversation_daily: pl.LazyFrame
    credit_exhaustion: pl.LazyFrame

    def filter(self, condition: pl.Expr) -> "Steps":
        """Those rows alone for which a condition on `date` and `user_id` holds."""
        return Steps(
            self.user_daily.filter(condition),
            self.conversation_daily.filter(condition),
            self.credit_exhaustion.filter(condition),
        )


def take_in_steps(
    known: pl.DataFrame,
    steps: Steps,
    later: Steps,
    accounts: pl.LazyFrame,
    first: date,
    last: date,
) -> pl.LazyFrame:
    """`conversations.first_steps` once the days from first to last are taken in.

    Args:
        known: The table before.
        steps: At least of those days.
        later: Of the days after `last` that were taken in before.
        accounts: `conversations.dim_account`.
        first: First day.
        last: Last day.
    """
    is_replaced = {step: is_dated(first, last, step).fill_null(False) for step in STEPS}
    kept = known.select(
        "user_id", *(pl.when(~replaced).then(step) for step, replaced in is_replaced.items())
    )
    found = _first_days(steps.filter(is_dated(first, last)))
    lost = (
        known.select("user_id", *(one.alias(step) for step, one in is_replaced.items()))
        .join(found, on="user_id", how="left", suffix="_found")
        .filter(
            pl.any_horizontal(pl.col(step) & pl.col(f"{step}_found").is_null() for step in STEPS)
        )
    )
    parts = [kept, found]
    if not lost.is_empty():
        # Of a step that is not lost, later days are later than what is known of it.
        is_sought = pl.col("user_id").is_in(lost["user_id"].implode())
        parts.append(_first_days(later.filter(is_sought)))
    done = pl.concat(parts).group_by("user_id").agg(pl.col(STEPS).min()).lazy()
    begun = accounts.group_by("user_id").agg(signed_up_date=pl.col("effective_start_date").min())
    return (
        done.filter(pl.any_horizontal(pl.col(STEPS).is_not_null()))
        .join(begun, on="user_id", how="full", coalesce=True)
        .with_columns(signed_up_date=pl.min_horizontal("signed_up_date", "first_active_date"))
        .select(_COLUMNS)
        .sort("user_id")
    )


def is_completed() -> pl.Expr:
    """Whether what a row of sums says is completed.

    There is a completion; or there is a creation, and no failure at or after the last success.
    """
    is_unspoilt = (pl.col("last_failure_at") < pl.col("last_success_at")).fill_null(
        pl.col("last_failure_at").is_null()
    )
    return (pl.col("completions") > 0) | ((pl.col("creations") > 0) & is_unspoilt)


def days_between_steps(before: pl.DataFrame, after: pl.DataFrame) -> list[DayRange]:
    """The days as of which one table says something else of somebody than the other.

    A step that is done another day is another matter on the days between the two alone; one that
    was not done before, or is not any more, and another day of signing up or of the first activity,
    from the first of the two on. What goes on ends with `OPEN_END`; ranges may overlap.
    """
    both = before.join(after, on="user_id", how="full", coalesce=True, suffix="_after")
    return sorted(set(_ranges(both)), key=lambda days: (days.first, days.last))


def _ranges(both: pl.DataFrame) -> Iterator[DayRange]:
    for name in ("signed_up_date", *STEPS):
        old, new = pl.col(name), pl.col(f"{name}_after")
        last = pl.max_horizontal(old, new) - timedelta(days=1)
        goes_on = old.is_null() | new.is_null() | pl.lit(name in _BY_THEMSELVES)
        ranges = (
            both.filter(old.ne_missing(new))
            .select(
                first=pl.min_horizontal(old, new),
                last=pl.when(goes_on).then(pl.lit(OPEN_END)).otherwise(last),
            )
            .unique()
        )
        yield from (DayRange(first, last) for first, last in ranges.iter_rows())


def _first_days(steps: Steps) -> pl.DataFrame:
    """One row per `user_id` of these tables: the first date of each step, null without one."""
    day = pl.col("date")
    parts = [
        steps.user_daily.group_by("user_id").agg(
            first_active_date=day.min(),
            first_chat_date=day.filter(pl.col("user_messages") > 0).min(),
            first_tool_date=day.filter(pl.col("tool_calls") > 0).min(),
            first_creation_date=day.filter(pl.col("creations") > 0).min(),
        ),
        steps.credit_exhaustion.filter("is_exhausted")
        .group_by("user_id")
        .agg(first_exhaustion_date=day.min()),
        steps.conversation_daily.filter(is_completed())
        .group_by("user_id")
        .agg(first_completion_date=day.min()),
    ]
    together = pl.concat([part.collect(engine="streaming") for part in parts], how="diagonal")
    return together.group_by("user_id").agg(pl.col(STEPS).min())
