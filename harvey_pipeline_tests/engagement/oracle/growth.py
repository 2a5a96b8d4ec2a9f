"""Section 8, but for its cohorts: first activity, growth, segments, power curve."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import TypeAlias

from harvey_pipeline_tests.engagement.oracle.activity import (
    WINDOW_DAYS,
    Activity,
    band,
    percent,
    ratio,
)
from harvey_pipeline_tests.oracle.history import History, known_on
from harvey_pipeline_tests.oracle.values import TableRow

GROWTH_DAYS = 28
ENTITIES: dict[str, Callable[[Activity], str]] = {
    "user": lambda row: row.user_id,
    "firm": lambda row: row.firm_id,
}

ACTIVE_COUNTS = ("dau", "wau", "mau")
GROWTH_COUNTS = ("active", "previous_active", "new", "retained", "resurrected", "churned")
ACTIVE_COLUMNS = (*ACTIVE_COUNTS, "stickiness")
GROWTH_COLUMNS = (*GROWTH_COUNTS, "quick_ratio", "growth_rate")

ActiveDates: TypeAlias = dict[str, dict[str, set[date]]]
"""By grain and entity, the dates on which it was active."""


def active_dates_of(activities: Iterable[Activity]) -> ActiveDates:
    """When each user, and each firm, was active."""
    found: ActiveDates = {grain: defaultdict(set) for grain in ENTITIES}
    for activity in activities:
        for grain, name in ENTITIES.items():
            found[grain][name(activity)].add(activity.day)
    return found


def first_activity_table(active: ActiveDates) -> list[TableRow]:
    """One row per user and firm that was ever active."""
    return [
        {"grain": grain, "entity_id": entity, "first_activity_date": min(dates)}
        for grain, entities in active.items()
        for entity, dates in entities.items()
    ]


def active_days_within(dates: set[date], last: date, length: int) -> int:
    """On how many of the days up to and with the last one it was active."""
    return sum(last - timedelta(days=back) in dates for back in range(length))


def usage_counts(members: Iterable[set[date]], day: date) -> TableRow:
    """Actives and growth accounting of some users or firms, each given by its dates."""
    counts = dict.fromkeys((*ACTIVE_COUNTS, *GROWTH_COUNTS), 0)
    eve = day - timedelta(days=GROWTH_DAYS)
    for dates in members:
        counts["dau"] += active_days_within(dates, day, 1) > 0
        counts["wau"] += active_days_within(dates, day, 7) > 0
        counts["mau"] += active_days_within(dates, day, WINDOW_DAYS) > 0
        now = active_days_within(dates, day, GROWTH_DAYS) > 0
        before = active_days_within(dates, eve, GROWTH_DAYS) > 0
        counts["active"] += now
        counts["previous_active"] += before
        counts["churned"] += before and not now
        if now and min(dates) > eve:
            counts["new"] += 1
        elif now and before:
            counts["retained"] += 1
        elif now:
            counts["resurrected"] += 1
    change = counts["active"] - counts["previous_active"]
    return {
        **counts,
        "stickiness": percent(counts["dau"], counts["mau"]),
        "quick_ratio": ratio(counts["new"] + counts["resurrected"], counts["churned"]),
        "growth_rate": percent(change, counts["previous_active"]),
    }


def segments_of(grain: str, known: TableRow) -> dict[str, str | None]:
    """The values of the attributes by which a grain is split."""
    if grain == "user":
        return {"user_role": known.get("user_role")}
    sizes = [(500, "Large Firm"), (100, "Medium Firm"), (25, "Small Firm")]
    tiers = [(1e6, "High Value"), (5e5, "Medium Value"), (1e5, "Standard Value")]
    return {
        "firm_size_category": band(known.get("firm_size"), sizes, "Boutique Firm"),
        "arr_tier": band(known.get("arr_usd"), tiers, "Entry Level"),
    }


def segment_table(
    active: ActiveDates, histories: dict[str, History], days: Sequence[date]
) -> list[TableRow]:
    """One row per day, attribute and value that someone active in the last 56 days has."""
    table = []
    for day in days:
        members: dict[tuple[str, str, str | None], list[set[date]]] = defaultdict(list)
        for grain, entities in active.items():
            for entity, dates in entities.items():
                if active_days_within(dates, day, 2 * GROWTH_DAYS):
                    known = known_on(histories[grain], entity, day)
                    for segment, value in segments_of(grain, known).items():
                        members[grain, segment, value].append(dates)
        for (grain, segment, value), group in members.items():
            place = {"date": day, "grain": grain, "segment": segment, "segment_value": value}
            table.append({**place, **usage_counts(group, day)})
    return table


def whole_table(
    active: ActiveDates, days: Sequence[date], columns: Sequence[str]
) -> list[TableRow]:
    """One row per day and grain: these counts over all users, or firms, that were ever active."""
    table = []
    for day in days:
        for grain, entities in active.items():
            counts = usage_counts(entities.values(), day)
            row: TableRow = {"date": day, "grain": grain}
            table.append({**row, **{column: counts[column] for column in columns}})
    return table


def growth_table(active: ActiveDates, days: Sequence[date], first_covered: date) -> list[TableRow]:
    """One row per day and grain; the history of 56 days is short where they begin before it."""
    return [
        {**row, "is_history_short": (row["date"] - first_covered).days < 2 * GROWTH_DAYS - 1}
        for row in whole_table(active, days, GROWTH_COLUMNS)
    ]


def power_curve_table(active: ActiveDates, days: Sequence[date]) -> list[TableRow]:
    """One row per day, window and number of active days from 1 to the window's length."""
    table = []
    for day in days:
        for length in (7, GROWTH_DAYS):
            found = [active_days_within(dates, day, length) for dates in active["user"].values()]
            everyone = sum(number > 0 for number in found)
            for number in range(1, length + 1):
                users = found.count(number)
                table.append(
                    {
                        "date": day,
                        "window_days": length,
                        "active_days": number,
                        "users": users,
                        "users_percent": percent(users, everyone),
                    }
                )
    return table
