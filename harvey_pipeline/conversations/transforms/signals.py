"""The signals of product-market fit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from harvey_pipeline.conversations.tables.labels import MONTH_DAYS, NO_USE_CASE, SIGNALS
from harvey_pipeline.conversations.tables.marts import PMF_SIGNALS
from harvey_pipeline.conversations.transforms.rates import percent, quotient
from harvey_pipeline.conversations.transforms.retention import pool_cohorts
from harvey_pipeline.conversations.transforms.running import (
    blocks,
    count_single,
    count_windows,
    sum_windows,
)
from harvey_pipeline.conversations.transforms.window_conversations import (
    sum_window_conversations,
)
from harvey_pipeline.warehouse.days import is_dated

RELIABLE_FROM: Final = 20
"""A smaller denominator tells little."""

_COLUMNS: Final = list(PMF_SIGNALS.polars_schema)
_SIGNAL: Final = PMF_SIGNALS.polars_schema["signal"]
_KIND: Final = PMF_SIGNALS.polars_schema["kind"]

_NUMERATOR: Final = pl.col("numerator")
_DENOMINATOR: Final = pl.col("denominator")


@dataclass(frozen=True)
class _Rule:
    """What a signal counts, of how many, and what it is compared with.

    By default its value is a percentage, and it is met above the threshold.
    """

    numerator: str
    denominator: str
    threshold: int
    value: pl.Expr | None = None
    is_met: pl.Expr | None = None

    @property
    def valued(self) -> pl.Expr:
        return percent(_NUMERATOR, _DENOMINATOR) if self.value is None else self.value

    @property
    def met(self) -> pl.Expr:
        """Whether it is met, where it has a value: in whole numbers."""
        is_above = (100 * _NUMERATOR).gt(self.threshold * _DENOMINATOR)
        return is_above if self.is_met is None else self.is_met


_COUNT: Final = _NUMERATOR.cast(pl.Float64)
_MESSAGES: Final = 5

_RULES: Final[Mapping[str, _Rule]] = {
    "credit_exhaustion_rate": _Rule("exhausted", "active", 20),
    "day_7_retention": _Rule("retained", "cohort_size", 40),
    "organic_sharing": _Rule("sharing", "active", 5),
    "love_in_conversations": _Rule("loved", "conversations", 2),
    "single_session_users": _Rule("single_session", "active", 50),
    "no_credit_exhaustion": _Rule(
        "exhausted",
        "active",
        0,
        value=pl.when(_DENOMINATOR > 0).then(_COUNT),
        is_met=_NUMERATOR == 0,
    ),
    "short_conversations": _Rule(
        "messages",
        "conversations",
        _MESSAGES,
        value=quotient(_NUMERATOR, _DENOMINATOR),
        is_met=_NUMERATOR < _MESSAGES * _DENOMINATOR,
    ),
    "error_rate": _Rule("failures", "attempts", 10),
    "repeated_blockers": _Rule("repeated", "active", 0, value=_COUNT, is_met=_NUMERATOR > 0),
    "unmet_requests": _Rule("requesting", "conversations", 10),
    "use_case_mismatch": _Rule("outside", "with_use_case", 50),
}

_KIND_OF: Final = {name: kind for kind, names in SIGNALS.items() for name in names}


def read_signals(
    user_daily: pl.LazyFrame,
    window_conversations: pl.LazyFrame,
    credit_exhaustion: pl.LazyFrame,
    failure_points: pl.LazyFrame,
    retention: pl.LazyFrame,
    vision: Collection[str],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`pmf_signals` of some days, in blocks of days.

    Args:
        user_daily: `conversations.user_daily` of these days and the 29 before.
        window_conversations: `conversations.window_conversations` of these days.
        credit_exhaustion: `conversations.credit_exhaustion` of these days and the 29 before.
        failure_points: `conversations.failure_points` of these days.
        retention: `conversations.retention` of the days 7 to 36 before these days.
        vision: Use cases that the product is made for; none where that is not stated.
        days: Consecutive days, ascending.
    """
    for block in blocks(days):
        parts = [
            _count_users(user_daily, credit_exhaustion, block),
            _count_conversations(window_conversations, vision, block),
            _count_blockers(failure_points, block),
            pool_cohorts(retention, "day_7", block),
        ]
        counted = parts[0]
        for other in parts[1:]:
            counted = counted.join(other, on="date")
        # Of what is read, each figure is taken from one row per day: collected, it is read once.
        yield _judge(counted.collect(engine="streaming").lazy(), is_stated=bool(vision))


def _count_users(
    user_daily: pl.LazyFrame, credit_exhaustion: pl.LazyFrame, days: Sequence[date]
) -> pl.LazyFrame:
    """One row per day: users of the 30 days, by what they did, and failures and attempts."""
    exhausted = credit_exhaustion.filter("is_exhausted")
    sharing = user_daily.filter(pl.col("sharing_events") > 0)
    numbers = {
        "active": count_windows(user_daily, "user_id", days, MONTH_DAYS),
        "exhausted": count_windows(exhausted, "user_id", days, MONTH_DAYS),
        "sharing": count_windows(sharing, "user_id", days, MONTH_DAYS),
        "single_session": count_single(user_daily, "user_id", "sessions", days, MONTH_DAYS),
    }
    counted = sum_windows(user_daily, ["failures", "attempts"], days, MONTH_DAYS)
    for name, number in numbers.items():
        counted = counted.join(number.rename({"number": name}), on="date")
    return counted


def _count_conversations(
    window_conversations: pl.LazyFrame, vision: Collection[str], days: Sequence[date]
) -> pl.LazyFrame:
    """One row per day: window conversations, by what was said in them."""
    use_case, conversations = pl.col("use_case"), pl.col("conversations")
    has_use_case = use_case != NO_USE_CASE
    return sum_window_conversations(
        window_conversations,
        days,
        conversations=conversations,
        messages=pl.col("messages"),
        loved=pl.col("loved"),
        requesting=pl.col("requesting"),
        with_use_case=conversations * has_use_case,
        outside=conversations * (has_use_case & ~use_case.is_in(list(vision))),
    )


def _count_blockers(failure_points: pl.LazyFrame, days: Sequence[date]) -> pl.LazyFrame:
    """One row per day: `repeated`, the failure points that are."""
    repeated = failure_points.filter(is_dated(days[0], days[-1])).select(
        "date", repeated=pl.col("is_repeated").cast(pl.Int64)
    )
    return sum_windows(repeated, ["repeated"], days, 1)


def _judge(counted: pl.LazyFrame, *, is_stated: bool) -> pl.LazyFrame:
    """One row per day and signal, of numbers in one row per day.

    Without a vision stated, nothing can be said of what lies outside it.
    """
    signals = []
    for name, rule in _RULES.items():
        is_known = is_stated or name != "use_case_mismatch"
        signals.append(
            counted.select("date", numerator=rule.numerator, denominator=rule.denominator)
            .with_columns(
                signal=pl.lit(name, _SIGNAL),
                kind=pl.lit(_KIND_OF[name], _KIND),
                value=rule.valued if is_known else pl.lit(None, pl.Float64),
                threshold=pl.lit(rule.threshold, pl.Float64),
                is_reliable=_DENOMINATOR >= RELIABLE_FROM,
            )
            .with_columns(is_met=pl.when(pl.col("value").is_not_null()).then(rule.met))
            .select(_COLUMNS)
        )
    return pl.concat(signals)
