"""What would help whom: the rules of a catalogue, held against each user's figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import polars as pl

from harvey_pipeline.segments.tables.labels import PRIORITIES, UNKNOWN
from harvey_pipeline.segments.tables.outcomes import RECOMMENDATIONS
from harvey_pipeline.segments.transforms.mondays import mondays_of
from harvey_pipeline.warehouse.days import is_dated

MOST_PER_USER: Final = 3

Value = bool | int | float | str | date

COMPARISONS: Final[Mapping[str, str]] = {
    "=": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}
"""What may stand between a column and a value, and the method of an expression that compares."""

_KEY: Final = ("date", "user_id")
_PRIORITY: Final = pl.Enum(PRIORITIES)
_COLUMNS: Final = list(RECOMMENDATIONS.polars_schema)


@dataclass(frozen=True)
class Condition:
    """A column against a value of its kind."""

    column: str
    comparison: str
    value: Value

    @property
    def holds(self) -> pl.Expr:
        """Whether it holds; null, which does not tell, holds never."""
        compare = getattr(pl.Expr, COMPARISONS[self.comparison])
        found: pl.Expr = compare(pl.col(self.column), pl.lit(self.value))
        return found.fill_null(False)


@dataclass(frozen=True)
class Field:
    """The place of a user's figure in a text."""

    column: str
    is_fraction: bool
    """Whether it is a number that need not be whole: it is rounded half up."""

    @property
    def text(self) -> pl.Expr:
        value = pl.col(self.column)
        if self.is_fraction:
            value = (value + 0.5).floor().cast(pl.Int64)
        return value.cast(pl.String).fill_null(UNKNOWN)


@dataclass(frozen=True)
class Rule:
    """A recommendation, and for whom it is: those for whom all conditions hold."""

    rule_id: str
    category: str
    suggestion: str
    reasoning: tuple[str | Field, ...]
    conditions: tuple[Condition, ...]
    estimated_time_savings_hours_month: float
    priority: str
    implementation_cost_usd_year: float

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns that it looks at."""
        fields = {part.column for part in self.reasoning if isinstance(part, Field)}
        return frozenset(fields | {one.column for one in self.conditions})

    @property
    def holds(self) -> pl.Expr:
        return pl.all_horizontal([one.holds for one in self.conditions])

    @property
    def recommendation(self) -> dict[str, pl.Expr]:
        """What it says, by column."""
        said = [part.text if isinstance(part, Field) else pl.lit(part) for part in self.reasoning]
        return {
            "rule_id": pl.lit(self.rule_id),
            "category": pl.lit(self.category),
            "suggestion": pl.lit(self.suggestion),
            "reasoning": pl.concat_str(said),
            "estimated_time_savings_hours_month": pl.lit(
                self.estimated_time_savings_hours_month, pl.Float64
            ),
            "priority": pl.lit(self.priority, _PRIORITY),
            "implementation_cost_usd_year": pl.lit(self.implementation_cost_usd_year, pl.Float64),
        }


def recommend(
    user_segments: pl.LazyFrame,
    engagement_scores: pl.LazyFrame,
    rules: Sequence[Rule],
    days: Sequence[date],
) -> Iterator[pl.LazyFrame]:
    """`recommendations` of some days, a Monday at a time.

    Args:
        user_segments: `segments.user_segments` of these days.
        engagement_scores: `segments.engagement_scores` of these days.
        rules: The catalogue's; a column that both tables have is taken from `user_segments`.
        days: The days, ascending.
    """
    ordered = sorted(rules, key=_rank)
    known = set(user_segments.collect_schema())
    wanted = {column for rule in ordered for column in rule.columns}
    own = sorted({*_KEY, "tenant_id", "segment", *(wanted & known)})
    others = sorted({*_KEY, *(wanted - known)})
    for monday in mondays_of(days):
        scores = engagement_scores.filter(is_dated(monday, monday)).select(others)
        users = user_segments.filter(is_dated(monday, monday)).select(own)
        held = _hold(users.join(scores, on=_KEY, how="left"), ordered)
        yield _say(held.collect(engine="streaming").lazy(), ordered)


def _rank(rule: Rule) -> tuple[int, float, str]:
    """A rule's place among others: the lowest comes first."""
    priority = PRIORITIES.index(rule.priority)
    return priority, -rule.estimated_time_savings_hours_month, rule.rule_id


def _flag(rule: Rule) -> str:
    return f"holds {rule.rule_id}"


def _hold(users: pl.LazyFrame, ordered: Sequence[Rule]) -> pl.LazyFrame:
    """The users with a flag for each rule that holds."""
    return users.with_columns(rule.holds.alias(_flag(rule)) for rule in ordered)


def _say(held: pl.LazyFrame, ordered: Sequence[Rule]) -> pl.LazyFrame:
    """Of each user the first rules that hold."""
    flags = list(map(_flag, ordered))
    said = [RECOMMENDATIONS.empty()]
    for place, rule in enumerate(ordered):
        is_among_first = pl.sum_horizontal(pl.lit(0), *flags[:place]) < MOST_PER_USER
        users = held.filter(pl.col(flags[place]) & is_among_first)
        said.append(users.with_columns(**rule.recommendation).select(_COLUMNS))
    return pl.concat(said)
