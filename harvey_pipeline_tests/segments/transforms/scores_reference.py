"""Engagement scores in plain Python: a day at a time, row by row."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]


def expected_scores(
    accesses: Sequence[Row],
    users: Sequence[Row],
    employees: Sequence[Row],
    covered: Collection[date],
    day: date,
) -> list[dict[str, Any]]:
    """The rows of a day, ordered by user."""

    def within(row: Row, length: int) -> bool:
        return bool(day - timedelta(days=length) < row["date"] <= day)

    year = [row for row in accesses if within(row, 365)]
    window = [row for row in year if within(row, 90)]
    created = as_of(users, day)
    valid = {name for name, row in created.items() if row["effective_end_date"] >= day}
    offered: dict[str, set[str]] = defaultdict(set)
    for row in window:
        if row["accesses"]:
            offered[row["tenant_id"]].add(row["app"])
    observed = sum(day - timedelta(days=ago) in set(covered) for ago in range(90))
    rows = []
    for name in sorted(valid | {row["user_id"] for row in window}):
        tenant = tenant_of(name, window, year, as_of(employees, day))
        apps = min(15, max(3, len(offered[tenant])))
        of_year = [row for row in year if row["user_id"] == name]
        of_window = [row for row in window if row["user_id"] == name]
        began = created[name]["user_created_date"] if name in created else None
        known_from = min([row["date"] for row in of_year] + ([began] if began else []))
        rows.append(
            {
                "date": day,
                "user_id": name,
                "tenant_id": tenant,
                "user_created_date": began,
                "days_known": (day - known_from).days,
                "apps_on_offer": apps,
                "observed_days": observed,
                **figures(of_window, day),
                **scores_of(of_window, day, apps),
            }
        )
    for row in rows:
        add_percentile(row, rows)
        add_trend(row)
    return rows


def as_of(versions: Iterable[Row], day: date) -> dict[str, Row]:
    """The latest version of each user that has begun by a day."""
    begun = [row for row in versions if row["effective_start_date"] <= day]
    return {
        row["user_id"]: row for row in sorted(begun, key=lambda row: row["effective_start_date"])
    }


def tenant_of(
    name: str, window: Sequence[Row], year: Sequence[Row], employees: Mapping[str, Row]
) -> str:
    if name in employees and employees[name]["tenant_id"] is not None:
        return str(employees[name]["tenant_id"])
    used: Counter[str] = Counter()
    latest: dict[str, date] = {}
    for row in window:
        if row["user_id"] == name and row["accesses"]:
            tenant = row["tenant_id"]
            used[tenant] += row["accesses"]
            latest[tenant] = max(row["date"], latest.get(tenant, date.min))
    if used:
        return min(used, key=lambda one: (-used[one], -latest[one].toordinal(), one))
    seen = [(-row["date"].toordinal(), row["tenant_id"]) for row in year if row["user_id"] == name]
    return str(min(seen)[1]) if seen else "unknown"


def figures(window: Sequence[Row], day: date) -> dict[str, Any]:
    by_day = sums(window, "date", "accesses")
    by_app = sums(window, "app", "accesses")
    seconds = capped_seconds(window)
    total, active_days = sum(by_day.values()), len(by_day)
    successes = sum(row["auth_successes"] for row in window)
    failures = sum(row["auth_failures"] for row in window)
    top = min(by_app, key=lambda app: (-by_app[app], app)) if by_app else None
    return {
        "total_accesses": total,
        "accesses_30d": sum(
            number for one, number in by_day.items() if one > day - timedelta(days=30)
        ),
        "active_days": active_days,
        "active_weeks": sum(days > 0 for days in days_of_weeks(by_day, day, 12)),
        "unique_apps": len(by_app),
        "earnest_apps": earnest_apps(window, 90),
        "accesses_per_week": total * 7 / 90,
        "active_seconds": seconds,
        "avg_session_minutes": seconds / (60 * active_days) if active_days else None,
        "last_access_days_ago": (day - max(by_day)).days if by_day else None,
        "top_app": top,
        "top_app_accesses": by_app[top] if top else 0,
        "busiest_day_accesses": max(by_day.values(), default=0),
        "auth_successes": successes,
        "auth_failures": failures,
        "auth_success_rate": 100 * successes / (successes + failures)
        if successes + failures
        else None,
        "device_count": len({one for row in window for one in row["devices"]}),
        "location_diversity": len({one for row in window for one in row["locations"]}),
    }


def sums(rows: Iterable[Row], key: str, amount: str) -> dict[Any, int]:
    """Sums by a key, of those rows that have an access."""
    found: Counter[Any] = Counter()
    for row in rows:
        if row["accesses"]:
            found[row[key]] += row[amount]
    return dict(found)


def capped_seconds(rows: Iterable[Row]) -> int:
    return sum(min(seconds, 43_200) for seconds in sums(rows, "date", "active_seconds").values())


def days_of_weeks(by_day: Collection[date], day: date, weeks: int) -> list[int]:
    last_days = [day - timedelta(days=7 * week) for week in range(weeks)]
    return [sum(last - timedelta(days=7) < one <= last for one in by_day) for last in last_days]


def earnest_apps(rows: Sequence[Row], length: int) -> int:
    days: dict[str, set[date]] = defaultdict(set)
    for row in rows:
        if row["accesses"]:
            days[row["app"]].add(row["date"])
    seconds = sums(rows, "app", "active_seconds")
    return sum(
        len(days[app]) >= length // 30 and seconds[app] >= 200 * length // 30 for app in days
    )


def components(rows: Sequence[Row], day: date, length: int, apps: int) -> dict[str, int]:
    """Components of a score of so many days that end on a day, in ten-thousandths."""
    rows = [row for row in rows if day - timedelta(days=length) < row["date"] <= day]
    by_day = sums(rows, "date", "accesses")
    since = (day - max(by_day)).days if by_day else 30
    weeks = 12 if length == 90 else 4
    steady = sum(min(4, days) for days in days_of_weeks(by_day, day, weeks))
    capped = sum(min(20, number) for number in by_day.values())
    return {
        "frequency": rounded(Fraction(capped * 90, 500 * length)),
        "diversity": rounded(Fraction(earnest_apps(rows, length), apps)),
        "recency": rounded(Fraction(min(29, max(0, 30 - since)), 29)),
        "consistency": rounded(Fraction(steady, 4 * weeks)),
        "depth": rounded(Fraction(capped_seconds(rows), 3600 * len(by_day))) if by_day else 0,
    }


def rounded(quotient: Fraction) -> int:
    """Ten-thousandths, half up, at most 1."""
    return min(10_000, int(quotient * 10_000 + Fraction(1, 2)))


def weighted(parts: Mapping[str, int]) -> float:
    weights = {"frequency": 30, "diversity": 20, "recency": 20, "consistency": 15, "depth": 15}
    return sum(weights[name] * part for name, part in parts.items()) / 1_000_000


def scores_of(window: Sequence[Row], day: date, apps: int) -> dict[str, float]:
    parts = components(window, day, 90, apps)
    thirds = [
        weighted(components(window, day - timedelta(days=ago), 30, apps)) for ago in (0, 30, 60)
    ]
    return {
        **{f"{name}_score": part / 10_000 for name, part in parts.items()},
        "engagement_score": weighted(parts),
        **dict(zip(("score_30d", "score_30_60d", "score_60_90d"), thirds, strict=True)),
    }


def add_percentile(row: dict[str, Any], rows: Sequence[Row]) -> None:
    ranked = [
        one["engagement_score"]
        for one in rows
        if one["tenant_id"] == row["tenant_id"] and one["total_accesses"]
    ]
    below = sum(score < row["engagement_score"] for score in ranked)
    row["tenant_active_users"] = len(ranked)
    row["percentile"] = 100 * below / max(1, len(ranked) - 1) if row["total_accesses"] else None


def add_trend(row: dict[str, Any]) -> None:
    latest, *before = (
        round(row[name] * 1_000_000) for name in ("score_30d", "score_30_60d", "score_60_90d")
    )
    change = latest - Fraction(sum(before), 2)
    if row["observed_days"] < 80 or row["days_known"] < 90:
        row["trend"] = None
    elif abs(change) < 100_000:
        row["trend"] = "stable"
    else:
        row["trend"] = "increasing" if change > 0 else "decreasing"
