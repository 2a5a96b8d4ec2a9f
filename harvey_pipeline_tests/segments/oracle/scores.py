"""Section 3: how engaged each user is on each day, in whole millionths, and each tenant."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

from harvey_pipeline_tests.oracle.history import History, known_on, valid_on
from harvey_pipeline_tests.oracle.values import TableRow

MILLION = 1_000_000
WINDOW = 90
THIRD = 30
YEAR = 365
DAY_CAP = 43_200
WEIGHTS = {"frequency": 30, "diversity": 20, "recency": 20, "consistency": 15, "depth": 15}
"""In hundredths, so that ten-thousandths of a component make millionths of the score."""


def half_up(value: Fraction) -> int:
    """The nearest whole number, the upper one of two that are equally near."""
    return floor(value + Fraction(1, 2))


def ten_thousandths(quotient: Fraction) -> int:
    """A component: a quotient rounded half up to 4 decimals, at most 1."""
    return min(10_000, half_up(quotient * 10_000))


@dataclass
class Day:
    """What a user does on one day, in all tenants and with all apps."""

    accesses: int = 0
    seconds: int = 0
    apps: dict[str, tuple[int, int]] = field(default_factory=dict)
    tenants: dict[str, int] = field(default_factory=dict)
    successes: int = 0
    failures: int = 0
    devices: set[str] = field(default_factory=set)
    locations: set[str] = field(default_factory=set)

    def add(self, row: TableRow) -> None:
        accesses, seconds = self.apps.get(row["app"], (0, 0))
        self.apps[row["app"]] = (accesses + row["accesses"], seconds + row["active_seconds"])
        self.tenants[row["tenant_id"]] = self.tenants.get(row["tenant_id"], 0) + row["accesses"]
        self.accesses += row["accesses"]
        self.seconds += row["active_seconds"]
        self.successes += row["auth_successes"]
        self.failures += row["auth_failures"]
        self.devices.update(row["devices"])
        self.locations.update(row["locations"])

    @property
    def capped_seconds(self) -> int:
        return min(self.seconds, DAY_CAP)


Days = Mapping[date, Day]
"""A user's days with a row."""


@cache
def days_up_to(end: date, length: int) -> tuple[date, ...]:
    """So many days, the last one first; asked for anew of each user and window."""
    return tuple(end - timedelta(days=back) for back in range(length))


def within(days: Days, end: date, length: int) -> dict[date, Day]:
    """The days with a row among so many up to one."""
    return {day: days[day] for day in days_up_to(end, length) if day in days}


def weekly_days(used: Days, end: date, weeks: int) -> list[int]:
    """On how many days of each week there is an access, the latest week first."""
    counts = [0] * weeks
    for day, one in used.items():
        week = (end - day).days // 7
        if one.accesses and week < weeks:
            counts[week] += 1
    return counts


def earnest_apps(used: Days, length: int) -> int:
    """Apps with accesses on enough days and for long enough."""
    days_of: dict[str, int] = defaultdict(int)
    seconds_of: dict[str, int] = defaultdict(int)
    for one in used.values():
        for app, (accesses, seconds) in one.apps.items():
            days_of[app] += accesses > 0
            seconds_of[app] += seconds
    return sum(
        30 * days_of[app] >= length and 30 * seconds_of[app] >= 200 * length for app in days_of
    )


def components(days: Days, end: date, length: int, on_offer: int) -> dict[str, int]:
    """The five components of so many days up to one, in ten-thousandths."""
    used = {day: one for day, one in within(days, end, length).items() if one.accesses}
    weeks = 12 if length == WINDOW else 4
    silence = (end - max(used)).days if used else THIRD
    seconds = sum(one.capped_seconds for one in used.values())
    quotients = {
        "frequency": Fraction(
            90 * sum(min(one.accesses, 20) for one in used.values()), 500 * length
        ),
        "diversity": Fraction(earnest_apps(used, length), on_offer),
        "recency": Fraction(1) if silence <= 1 else Fraction(max(0, 30 - silence), 29),
        "consistency": Fraction(
            sum(min(4, count) for count in weekly_days(used, end, weeks)), 4 * weeks
        ),
        "depth": Fraction(seconds, 3600 * len(used)) if used else Fraction(0),
    }
    return {name: ten_thousandths(quotient) for name, quotient in quotients.items()}


def score(parts: Mapping[str, int]) -> int:
    """The weighted sum, in millionths."""
    return sum(WEIGHTS[name] * part for name, part in parts.items())


def millionths(value: float) -> int:
    """A stored score."""
    return round(value * MILLION)


def quotient(part: float, whole: float) -> float | None:
    return None if whole == 0 else part / whole


@dataclass(frozen=True)
class Surroundings:
    """What a day's scores depend on besides the users' own days."""

    users: History
    employees: History
    covered: frozenset[date]


def tenant_of(user_id: str, days: Days, end: date, employees: History) -> str:
    """The tenant that a user belongs to on a day."""
    told = known_on(employees, user_id, end).get("tenant_id")
    if told is not None:
        return str(told)
    accesses: dict[str, int] = defaultdict(int)
    latest: dict[str, date] = {}
    for day, one in within(days, end, WINDOW).items():
        for tenant_id, count in one.tenants.items():
            if count:
                accesses[tenant_id] += count
                latest[tenant_id] = max(day, latest.get(tenant_id, day))
    if accesses:
        return min(accesses, key=lambda one: (-accesses[one], end - latest[one], one))
    known = within(days, end, YEAR)
    return min(known[max(known)].tenants) if known else "unknown"


def score_row(
    user_id: str, days: Days, end: date, tenant_id: str, on_offer: int, around: Surroundings
) -> TableRow:
    """A user's row, but for what it says of the others of the tenant."""
    window = within(days, end, WINDOW)
    used = {day: one for day, one in window.items() if one.accesses}
    apps: dict[str, int] = defaultdict(int)
    for one in used.values():
        for app, (count, _) in one.apps.items():
            apps[app] += count
    accessed = {app: count for app, count in apps.items() if count}
    top = min(accessed, key=lambda app: (-accessed[app], app)) if accessed else None
    seconds = sum(one.capped_seconds for one in used.values())
    successes = sum(one.successes for one in window.values())
    failures = sum(one.failures for one in window.values())
    total = sum(one.accesses for one in used.values())
    created = known_on(around.users, user_id, end).get("user_created_date")
    seen = within(days, end, YEAR)
    first = min(day for day in (created, min(seen, default=None)) if day is not None)
    parts = components(days, end, WINDOW, on_offer)
    row: TableRow = {
        "date": end,
        "user_id": user_id,
        "tenant_id": tenant_id,
        "user_created_date": created,
        "days_known": (end - first).days,
        "total_accesses": total,
        "accesses_30d": sum(one.accesses for one in within(days, end, THIRD).values()),
        "active_days": len(used),
        "active_weeks": sum(count > 0 for count in weekly_days(used, end, 12)),
        "unique_apps": len(accessed),
        "earnest_apps": earnest_apps(used, WINDOW),
        "apps_on_offer": on_offer,
        "accesses_per_week": total * 7 / 90,
        "active_seconds": seconds,
        "avg_session_minutes": quotient(seconds, 60 * len(used)),
        "last_access_days_ago": (end - max(used)).days if used else None,
        "top_app": top,
        "top_app_accesses": accessed[top] if top is not None else 0,
        "busiest_day_accesses": max((one.accesses for one in used.values()), default=0),
        "auth_successes": successes,
        "auth_failures": failures,
        "auth_success_rate": quotient(100 * successes, successes + failures),
        "device_count": len(set().union(*(one.devices for one in window.values()))),
        "location_diversity": len(set().union(*(one.locations for one in window.values()))),
        "observed_days": sum(day in around.covered for day in days_up_to(end, WINDOW)),
        **{f"{name}_score": part / 10_000 for name, part in parts.items()},
        "engagement_score": score(parts) / MILLION,
    }
    thirds = {"score_30d": 0, "score_30_60d": 30, "score_60_90d": 60}
    for name, back in thirds.items():
        part = components(days, end - timedelta(days=back), THIRD, on_offer)
        row[name] = score(part) / MILLION
    row["trend"] = trend_of(row)
    return row


def trend_of(row: TableRow) -> str | None:
    """Where the latest third stands against the two before it, if these are known."""
    if row["observed_days"] < 80 or row["days_known"] < 90:
        return None
    latest, *earlier = (
        millionths(row[name]) for name in ("score_30d", "score_30_60d", "score_60_90d")
    )
    doubled = 2 * latest - sum(earlier)
    if doubled >= MILLION // 5:
        return "increasing"
    return "decreasing" if doubled <= -MILLION // 5 else "stable"


def scores_table(
    access: Iterable[TableRow], around: Surroundings, days: Sequence[date]
) -> list[TableRow]:
    """`engagement_scores`: one row per day run and user who is valid then or was seen lately."""
    of_user: dict[str, dict[date, Day]] = defaultdict(lambda: defaultdict(Day))
    apps_of_day: dict[date, set[tuple[str, str]]] = defaultdict(set)
    for row in access:
        of_user[row["user_id"]][row["date"]].add(row)
        if row["accesses"]:
            apps_of_day[row["date"]].add((row["tenant_id"], row["app"]))
    known: dict[str, dict[date, Day]] = {user: dict(some) for user, some in of_user.items()}
    table = []
    for end in days:
        window = days_up_to(end, WINDOW)
        accessed = set().union(*(apps_of_day.get(day, set()) for day in window))
        offered: dict[str, int] = defaultdict(int)
        for tenant_id, _ in accessed:
            offered[tenant_id] += 1
        seen = {user for user, some in known.items() if any(day in some for day in window)}
        rows = []
        for user_id in sorted(seen | valid_on(around.users, end)):
            own = known.get(user_id, {})
            tenant_id = tenant_of(user_id, own, end, around.employees)
            on_offer = min(15, max(3, offered[tenant_id]))
            rows.append(score_row(user_id, own, end, tenant_id, on_offer, around))
        table += ranked(rows)
    return table


def ranked(rows: Sequence[TableRow]) -> list[TableRow]:
    """A day's rows with their rank among the active users of their tenant."""
    active: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row["total_accesses"]:
            active[row["tenant_id"]].append(millionths(row["engagement_score"]))
    table = []
    for row in rows:
        others = active[row["tenant_id"]]
        below = sum(other < millionths(row["engagement_score"]) for other in others)
        percentile = None
        if row["total_accesses"]:
            percentile = float(100 * Fraction(below, max(1, len(others) - 1)))
        table.append({**row, "tenant_active_users": len(others), "percentile": percentile})
    return table


def rank_of(row: TableRow) -> Fraction | None:
    """The percentile of a stored row, from 0 to 1, without what a DOUBLE cannot hold."""
    if row["percentile"] is None:
        return None
    others = max(1, row["tenant_active_users"] - 1)
    return Fraction(round(row["percentile"] * others / 100), others)


# --- Tenants --------------------------------------------------------------------------------


def quantile(values: Sequence[int], share: Fraction) -> float | None:
    """Linear between the two nearest, as `percentile_cont`, of millionths."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    value = ordered[below] + (place - below) * (ordered[above] - ordered[below])
    return float(value / MILLION)


def mean_of(rows: Sequence[TableRow], column: str, scale: int = 1) -> float | None:
    """The mean of a column that holds whole numbers of which `scale` make one."""
    if not rows:
        return None
    return float(Fraction(sum(round(row[column] * scale) for row in rows), len(rows) * scale))


def tenant_row(day: date, tenant_id: str, rows: Sequence[TableRow]) -> TableRow:
    """What a tenant's users do on the whole."""
    active = [row for row in rows if row["total_accesses"]]
    scores = [millionths(row["engagement_score"]) for row in active]
    histogram = [0] * 10
    for one in scores:
        histogram[min(9, one * 10 // MILLION)] += 1
    seconds = sum(row["active_seconds"] for row in active)
    days_used = sum(row["active_days"] for row in active)
    return {
        "date": day,
        "tenant_id": tenant_id,
        "users": len(rows),
        "active_users": len(active),
        "mean_score": mean_of(active, "engagement_score", MILLION),
        "mean_score_30d": mean_of(active, "score_30d", MILLION),
        "mean_accesses": mean_of(active, "total_accesses"),
        "mean_unique_apps": mean_of(active, "unique_apps"),
        "mean_session_minutes": quotient(seconds, 60 * days_used),
        "score_p25": quantile(scores, Fraction(1, 4)),
        "score_p50": quantile(scores, Fraction(1, 2)),
        "score_p75": quantile(scores, Fraction(3, 4)),
        "score_histogram": histogram,
    }


def tenants_table(scores: Iterable[TableRow]) -> list[TableRow]:
    """`tenant_engagement`: one row per day and tenant with a user."""
    groups: dict[tuple[date, str], list[TableRow]] = defaultdict(list)
    for row in scores:
        groups[row["date"], row["tenant_id"]].append(row)
    return [tenant_row(*place, rows) for place, rows in groups.items()]


ScoresByDay = dict[date, dict[str, TableRow]]


def by_day(table: Iterable[TableRow], name: str) -> dict[date, dict[Any, TableRow]]:
    """Rows by day and then by another column."""
    found: dict[date, dict[Any, TableRow]] = defaultdict(dict)
    for row in table:
        found[row["date"]][row[name]] = row
    return dict(found)
