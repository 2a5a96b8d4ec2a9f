"""Section 2: what each user does with each app of each tenant on each day."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from harvey_pipeline_tests.engagement.oracle.activity import Activity
from harvey_pipeline_tests.oracle.landing import Load
from harvey_pipeline_tests.oracle.values import TableRow

PRODUCT_APPS = ("assistant", "vault", "workflow")
SIGN_IN = "sign_in"
MOST_LISTED = 20
SECONDS_EACH = 120
LONGEST_GAP = 900


def active_time(accesses: int, span: int) -> int:
    """Seconds of use, of accesses without a length and the whole seconds that they span."""
    if accesses == 0:
        return 0
    return max(SECONDS_EACH * accesses, min(span, LONGEST_GAP * (accesses - 1)))


def whole_seconds(first: datetime, last: datetime) -> int:
    """From one moment to another; what is beyond a whole second is cut."""
    between = last - first
    return between.days * 86_400 + between.seconds


def split_over_apps(seconds: int, queries: Sequence[int]) -> list[int]:
    """A day's seconds shared out by queries, in order, so that they add up."""
    total = sum(queries)
    shares = []
    before = 0
    for count in queries:
        after = before + count
        shares.append(seconds * after // total - seconds * before // total)
        before = after
    return shares


def product_rows(activities: Iterable[Activity]) -> list[TableRow]:
    """One row per day, firm, user and app of the product with a query."""
    table = []
    for activity in activities:
        queries = [activity.by_type[app.upper()] for app in PRODUCT_APPS]
        span = whole_seconds(activity.first_event_at, activity.last_event_at)
        seconds = split_over_apps(active_time(sum(queries), span), queries)
        for app, count, share in zip(PRODUCT_APPS, queries, seconds, strict=True):
            if count:
                table.append(
                    {
                        "date": activity.day,
                        "tenant_id": activity.firm_id,
                        "user_id": activity.user_id,
                        "app": app,
                        "accesses": count,
                        "active_seconds": share,
                        "auth_successes": 0,
                        "auth_failures": 0,
                        "devices": [],
                        "locations": [],
                    }
                )
    return table


@dataclass
class SignOns:
    """The SSO events of one row."""

    successes: int = 0
    failures: int = 0
    timed: list[int] = field(default_factory=list)
    untimed: list[datetime] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    locations: set[str] = field(default_factory=set)

    @property
    def active_seconds(self) -> int:
        span = whole_seconds(min(self.untimed), max(self.untimed)) if self.untimed else 0
        return 60 * sum(self.timed) + active_time(len(self.untimed), span)


def app_of(target: str | None) -> str:
    """The app of an SSO event; the product's own events say better what was used there."""
    return SIGN_IN if target is None or target in (*PRODUCT_APPS, SIGN_IN) else target


def sso_rows(loads: Iterable[Load], days: Sequence[date]) -> list[TableRow]:
    """One row per day, tenant, user and app with an SSO event.

    The date is the event's own; of the same id and date in two drops the earlier drop's counts.
    """
    found: dict[tuple[date, str, str, str], SignOns] = defaultdict(SignOns)
    counted: set[tuple[str, date]] = set()
    days_run = set(days)
    for each in sorted(loads, key=lambda each: each.day):
        for row in each.accepted if each.is_observed else []:
            said: dict[str, Any] = row.values
            day = said["published"].date()
            if (said["event_id"], day) in counted:
                continue
            counted.add((said["event_id"], day))
            if day not in days_run:
                continue
            app = app_of(said["target_id"])
            events = found[day, said["tenant_id"], said["user_id"], app]
            events.devices.update({said["device"]} - {None})
            events.locations.update({said["location"]} - {None})
            if said["outcome"] == "FAILURE":
                events.failures += 1
                continue
            events.successes += 1
            if app == SIGN_IN:
                continue
            if said["session_minutes"] is None:
                events.untimed.append(said["published"])
            else:
                events.timed.append(said["session_minutes"])
    return [
        {
            "date": day,
            "tenant_id": tenant_id,
            "user_id": user_id,
            "app": app,
            "accesses": len(events.timed) + len(events.untimed),
            "active_seconds": events.active_seconds,
            "auth_successes": events.successes,
            "auth_failures": events.failures,
            "devices": sorted(events.devices)[:MOST_LISTED],
            "locations": sorted(events.locations)[:MOST_LISTED],
        }
        for (day, tenant_id, user_id, app), events in found.items()
    ]


def access_table(
    activities: Iterable[Activity], sso_loads: Iterable[Load], days: Sequence[date]
) -> list[TableRow]:
    """`user_daily_access`: a row is of the product or of SSO, never of both."""
    return [*product_rows(activities), *sso_rows(sso_loads, days)]
