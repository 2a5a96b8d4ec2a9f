"""Why somebody has a tier, a firm its health, a day its trend: sentences computed from rows.

Report, terminal and UI tell the same ones. Everything is told from the row alone, by the bounds
that computed it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from itertools import product
from typing import Any, Final

from harvey_pipeline.engagement.tables.labels import (
    ENGAGEMENT_LEVELS,
    FIRM_HEALTH_STATUSES,
    GROWTH_TRENDS,
    POWER_USER_TIERS,
    WINDOW_DAYS,
)
from harvey_pipeline.engagement.transforms.firms import HEALTH_BOUNDS, UNSCORED_QUERIES
from harvey_pipeline.engagement.transforms.scoring import (
    ACTIVE_DAYS_WEIGHTS,
    DOCUMENT_VOLUME_WEIGHTS,
    FEATURE_BREADTH_WEIGHTS,
    LEVEL_BOUNDS,
    SCORE_TENTHS,
    TIER_BOUNDS,
    Weights,
)
from harvey_pipeline.reports.page import Link, Statement

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Component:
    """A part of the power-user score.

    Args:
        weight: Its column: what it earns, of 100.
        measure: The column that it goes by.
        noun: One of what is measured.
        weights: From which measure on it earns how much.
        tenths: Its share of the score.
    """

    weight: str
    measure: str
    noun: str
    weights: Weights
    tenths: int

    @property
    def label(self) -> str:
        """What is measured, such as `active days`."""
        return f"{self.noun}s"

    def earned(self, measure: int) -> int:
        """What a measure earns, of 100."""
        return next((weight for limit, weight in self.weights if measure >= limit), 0)

    def points(self, weight: int) -> int:
        """What a weight adds to the score: always whole."""
        return weight * self.tenths // 10


COMPONENTS: Final = tuple(
    Component(*parts, tenths)
    for parts, tenths in zip(
        (
            ("active_days_weight", "active_days", "active day", ACTIVE_DAYS_WEIGHTS),
            (
                "document_volume_weight",
                "total_documents_processed",
                "document",
                DOCUMENT_VOLUME_WEIGHTS,
            ),
            ("feature_breadth_weight", "unique_event_types", "event type", FEATURE_BREADTH_WEIGHTS),
        ),
        SCORE_TENTHS,
        strict=True,
    )
)
"""The parts of the score, in their order."""


def explain_user(row: Row, change: Row | None = None) -> Sequence[Statement]:
    """Score, its three components, the way to another tier, and the level of a user.

    Args:
        row: A row of `marts.daily_user_engagement`.
        change: The row of `marts.tier_changes` of that day, if there is one.
    """
    return [
        _explain_score(row),
        *(_explain_component(component, row) for component in COMPONENTS),
        explain_way(row),
        _explain_level(row),
        *([] if change is None else [replace(explain_tier_change(change), link=None)]),
    ]


def _explain_score(row: Row) -> Statement:
    tier, score = row["power_user_tier"], row["power_user_score"]
    parts = (
        f"{one.points(row[one.weight])} for {_counted(row[one.measure], one.noun)}"
        for one in COMPONENTS
    )
    return Statement(
        f"Score {score} of 100 in the {WINDOW_DAYS} days up to {row['date']}: {tier}",
        f"{' + '.join(parts)} = {score}; {_reach(tier)}",
    )


def _reach(tier: str) -> str:
    """The scores of a tier."""
    ends = (100, *(limit - 1 for limit, _ in TIER_BOUNDS))
    starts = (*(limit for limit, _ in TIER_BOUNDS), 0)
    place = POWER_USER_TIERS.index(tier)
    return f"{tier} is from {starts[place]} to {ends[place]}"


def _explain_component(component: Component, row: Row) -> Statement:
    measure, weight = row[component.measure], row[component.weight]
    steps = [(0, 0), *reversed(component.weights)]
    place = max(place for place, (limit, _) in enumerate(steps) if measure >= limit)
    shown = [
        f"from {limit} on {earned}" if limit else f"below {steps[1][0]} nothing"
        for limit, earned in steps[place : place + 2]
    ]
    bands = f"{shown[0]}, {shown[1]}" if len(shown) > 1 else f"{shown[0]}, the most there is"
    return Statement(
        f"{_counted(measure, component.noun)} {_verb(measure, 'earn')} {weight} of 100 points, "
        f"weighed {component.tenths / 10}: {component.points(weight)} of the score",
        bands[0].upper() + bands[1:],
    )


# --- the way to another tier ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """Another measure of a component: by how many, what it earns, and the points that it moves."""

    component: Component
    amount: int
    weight: int
    points: int


def explain_way(row: Row) -> Statement:
    """What lifts a user to the next tier or, at the best one, what lets them fall.

    That is the single change that is smallest in number or, where none is enough, the smallest
    combination, all else as it is.

    Args:
        row: A row of `marts.daily_user_engagement`.
    """
    score, place = row["power_user_score"], POWER_USER_TIERS.index(row["power_user_tier"])
    if place == 0:
        limit, _ = TIER_BOUNDS[0]
        losses = (_losses(component, row) for component in COMPONENTS)
        found = [[one for one in steps if score + one.points < limit] for steps in losses]
        return _tell_single(row, [steps[0] for steps in found if steps])
    limit, _ = TIER_BOUNDS[place - 1]
    gains = [_gains(component, row) for component in COMPONENTS]
    found = [[one for one in steps if score + one.points >= limit] for steps in gains]
    if any(found):
        return _tell_single(row, [steps[0] for steps in found if steps])
    combinations = (
        [one for one in steps if one is not None]
        for steps in product(*([None, *steps] for steps in gains))
    )
    enough = [steps for steps in combinations if score + _sum_points(steps) >= limit]
    return _tell_combination(
        row, min(enough, key=lambda steps: (len(steps), sum(one.amount for one in steps)))
    )


def _gains(component: Component, row: Row) -> list[_Step]:
    """The steps up, the smallest first."""
    measure, weight = row[component.measure], row[component.weight]
    return [
        _Step(component, limit - measure, more, component.points(more) - component.points(weight))
        for limit, more in reversed(component.weights)
        if limit > measure
    ]


def _losses(component: Component, row: Row) -> list[_Step]:
    """The steps down to where something is left, the smallest first."""
    measure, weight = row[component.measure], row[component.weight]
    lasts = (limit - 1 for limit, _ in component.weights if 1 < limit <= measure)
    lower = ((last, component.earned(last)) for last in lasts)
    return [
        _Step(component, measure - last, less, component.points(less) - component.points(weight))
        for last, less in lower
    ]


def _sum_points(steps: Sequence[_Step]) -> int:
    return sum(one.points for one in steps)


def _tell_single(row: Row, steps: Sequence[_Step]) -> Statement:
    """The smallest of some steps, of equal ones the first; the others are the evidence."""
    best, *others = sorted(steps, key=lambda one: one.amount)
    measure, score = row[best.component.measure], row["power_user_score"]
    direction, verb = ("more", "lift") if best.points > 0 else ("fewer", "take")
    alternatives = (
        f"{_worded(one.amount)} {direction} {_noun(one.amount, one.component.noun)} "
        f"({one.weight} of 100), to {_reached(score + one.points)}"
        for one in others
    )
    return Statement(
        f"{_counted(measure, best.component.noun)} {_verb(measure, 'earn')} "
        f"{row[best.component.weight]} of 100; {_worded(best.amount)} {direction} "
        f"{_verb(best.amount, 'earn')} {best.weight} and {_verb(best.amount, verb)} the score "
        f"from {score} to {_reached(score + best.points)}",
        f"Or {'; '.join(alternatives)}" if others else "No other single change does",
    )


def _tell_combination(row: Row, steps: Sequence[_Step]) -> Statement:
    score = row["power_user_score"]
    parts = " and ".join(
        f"{_worded(one.amount)} more {_noun(one.amount, one.component.noun)} "
        f"({one.weight} of 100 instead of {row[one.component.weight]})"
        for one in steps
    )
    return Statement(
        f"{parts[0].upper()}{parts[1:]} lift the score from {score} to "
        f"{_reached(score + _sum_points(steps))}",
        "No single change does",
    )


def _reached(score: int) -> str:
    """A score and the tier that it reaches."""
    tiers = (tier for limit, tier in TIER_BOUNDS if score >= limit)
    return f"{score}: {next(tiers, POWER_USER_TIERS[-1])}"


def _explain_level(row: Row) -> Statement:
    level, queries, days = row["engagement_level"], row["total_queries"], row["active_days"]
    told = f"{level}: {_counted(queries, 'query')} on {_counted(days, 'active day')}"
    place = ENGAGEMENT_LEVELS.index(level)
    if place == 0:
        return Statement(told, _tell_level(0))
    least_queries, least_days = LEVEL_BOUNDS[place - 1]
    lacks = {"query": least_queries - queries, "active day": least_days - days}
    missing = [
        f"{_worded(lack)} more {_noun(lack, noun)}" for noun, lack in lacks.items() if lack > 0
    ]
    verb = "makes" if [lack for lack in lacks.values() if lack > 0] == [1] else "make"
    return Statement(
        f"{told}; {' and '.join(missing)} {verb} {ENGAGEMENT_LEVELS[place - 1]}",
        _tell_level(place - 1),
    )


def _tell_level(place: int) -> str:
    queries, days = LEVEL_BOUNDS[place]
    told = f"{ENGAGEMENT_LEVELS[place]} takes {_counted(queries, 'query')}"
    return f"{told} on {_counted(days, 'active day')}" if days else told


# --- changes, firms and days ---------------------------------------------------------------------


def explain_tier_change(row: Row) -> Statement:
    """Why a user has another tier than 30 days before.

    Args:
        row: A row of `marts.tier_changes`.
    """
    component = next(one for one in COMPONENTS if one.weight == row["main_component"])
    verb = "Rose" if row["direction"] == "up" else "Fell"
    moved = {
        one.label: one.points(row[f"{one.weight}_now"]) - one.points(row[f"{one.weight}_before"])
        for one in COMPONENTS
    }
    points = ", ".join(f"{label} {change:+}" for label, change in moved.items() if change)
    return Statement(
        f"{verb} from {row['tier_before']} to {row['tier_now']}: {component.label} went from "
        f"{row['measure_before']:,} to {row['measure_now']:,} in {WINDOW_DAYS} days, which took "
        f"the component from {row[f'{component.weight}_before']} to "
        f"{row[f'{component.weight}_now']} (score {row['score_before']} to {row['score_now']})",
        f"Points of the score: {points}",
        Link(row["user_id"], "user", row["user_id"]),
    )


def explain_firm_health(row: Row) -> Statement:
    """Why a firm has its health, and what the better status takes that it lacks.

    Args:
        row: A row of `marts.daily_firm_usage_summary`.
    """
    status = row["firm_health_status"]
    sentence, evidence = _tell_health(
        status,
        row["total_queries_30d"],
        row["avg_feedback_score_30d"],
        row["queries_per_active_user_30d"],
    )
    return Statement(
        f"{status}: {sentence}", evidence, Link(row["firm_id"], "firm", row["firm_id"])
    )


def _tell_health(
    status: str, total: int, feedback: float | None, queries: float | None
) -> tuple[str, str]:
    window = f"in {WINDOW_DAYS} days"
    if not total or queries is None:
        return f"nobody was active {window}", "Any other status takes activity"
    used = f"{_down(queries)} queries per active user {window}"
    if feedback is None:
        rest = f"With no scored event a firm is Fair from {UNSCORED_QUERIES} queries per active "
        rest += "user on, else Needs Attention"
        if queries >= UNSCORED_QUERIES:
            return f"{used}, and nothing was scored; Good takes a mean score", rest
        return f"{used}, and nothing was scored; Fair takes {UNSCORED_QUERIES}", rest
    told = f"mean score {_down(feedback)} and {used}"
    place = FIRM_HEALTH_STATUSES.index(status)
    is_last = place == len(HEALTH_BOUNDS)
    rule = f"{status} is below all others" if is_last else f"{status} takes {_tell_bounds(place)}"
    if place == 0:
        return told, rule
    least_feedback, least_queries = HEALTH_BOUNDS[place - 1]
    missing = [f"a mean score of {least_feedback}"] * (feedback < least_feedback)
    missing += [f"{least_queries} queries per active user"] * (queries < least_queries)
    better = FIRM_HEALTH_STATUSES[place - 1]
    return f"{told}; {better} takes {' and '.join(missing)}", rule


def _tell_bounds(place: int) -> str:
    feedback, queries = HEALTH_BOUNDS[place]
    told = f"a mean score of {feedback}"
    return f"{told} and {queries} queries per active user" if queries else told


_TREND_RULES: Final = dict(
    zip(
        GROWTH_TRENDS,
        (
            "It takes +10 % or more, with 70 % or more of the earlier power users kept",
            "It takes +2 % or more; Strong Growth +10 % with 70 % kept",
            "It is less than 2 % up or down, or one person",
            "It is -2 % or worse; from -20 % on it is Critical Decline",
            "It is -20 % or worse",
            "A trend takes 60 covered days in a row, and 20 power users 30 days before",
        ),
        strict=True,
    )
)


def explain_growth_trend(now: Row, before: Row | None) -> Statement:
    """Why a day has its growth trend.

    Args:
        now: The day's row of `marts.harvey_analytics_dashboard`.
        before: That of 30 days before, where there is one.
    """
    trend, users = now["growth_trend"], now["power_users"]
    rule = _TREND_RULES[trend]
    if before is None:
        return Statement(
            f"{trend}: {_counted(users, 'power user')} on {now['date']}, and no figures of "
            f"{WINDOW_DAYS} days before",
            rule,
        )
    earlier, kept = before["power_users"], now["power_user_retention"]
    change = f" ({_change(users - earlier, earlier)} %)" if earlier else ""
    stayed = "" if kept is None else f", and {_down(kept, 1)} % of the earlier ones still are"
    return Statement(
        f"{trend}: power users went from {earlier:,} to {users:,}{change} in {WINDOW_DAYS} "
        f"days{stayed}",
        rule,
    )


# --- words and numbers ---------------------------------------------------------------------------


def _noun(number: int, noun: str) -> str:
    if number == 1:
        return noun
    return "queries" if noun == "query" else f"{noun}s"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {_noun(number, noun)}"


def _worded(number: int) -> str:
    return "one" if number == 1 else f"{number:,}"


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb


def _down(number: float, decimals: int = 2) -> str:
    """A number rounded down, so that none below a bound is written as the bound."""
    step = Decimal(1).scaleb(-decimals)
    rounded = Decimal(repr(number)).quantize(step, ROUND_FLOOR)
    return f"{rounded:,f}".rstrip("0").rstrip(".")


def _change(difference: int, base: int) -> str:
    """A change in percent, rounded towards 0 for the same reason."""
    tenths = abs(difference) * 1000 // base
    sign = "-" if difference < 0 else "+"
    return f"{sign}{tenths // 10:,}.{tenths % 10}"
