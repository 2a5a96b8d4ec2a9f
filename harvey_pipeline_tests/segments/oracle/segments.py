"""Section 4: segments of the Mondays, out of the stored scores of the Mondays before."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property
from math import floor, fsum
from typing import Any

from harvey_pipeline_tests.oracle.values import TableRow
from harvey_pipeline_tests.segments.oracle.scores import (
    MILLION,
    ScoresByDay,
    by_day,
    half_up,
    millionths,
    rank_of,
)

ORDER = ("casual", "regular", "power")
POWER = 650_000
CASUAL = 250_000
SMALL_TENANT = 5
SETTLING_WEEKS = 12
HOLDING_WEEKS = 3
EPOCH = date(1970, 1, 5)

Holidays = Sequence[tuple[tuple[int, int], tuple[int, int]]]
"""Periods, each from a month and day to a month and day, both included."""

DEFAULT_HOLIDAYS: Holidays = (((12, 20), (1, 6)),)


def weeks_before(day: date, weeks: int) -> date:
    return day - timedelta(weeks=weeks)


def mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def is_holiday(day: date, holidays: Holidays) -> bool:
    """Whether a day lies in a holiday period, which may go across New Year."""
    here = (day.month, day.day)
    return any(
        first <= here <= last if first <= last else here >= first or here <= last
        for first, last in holidays
    )


@dataclass
class Weeks:
    """What the Mondays say of users and tenants.

    Args:
        scores: The rows of `engagement_scores` by Monday and user.
        tenants: The rows of `tenant_engagement` by day and tenant.
        start_date: The calendar's first day.
        accepted: Mondays that are no mass change.
    """

    scores: ScoresByDay
    tenants: Mapping[date, Mapping[str, TableRow]]
    start_date: date
    accepted: Collection[date] = ()
    _remembered: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def _once(self, key: tuple[Any, ...], find: Callable[[], Any]) -> Any:
        if key not in self._remembered:
            self._remembered[key] = find()
        return self._remembered[key]

    def row(self, monday: date, user_id: str) -> TableRow | None:
        return self.scores.get(monday, {}).get(user_id)

    def tenant_mean(self, monday: date, tenant_id: str, column: str) -> float | None:
        row = self.tenants.get(monday, {}).get(tenant_id)
        value = None if row is None else row[column]
        return None if value is None else float(value)

    def counted_mean(self, monday: date, tenant_id: str) -> float | None:
        """The mean score of a Monday, where the window was full by then."""
        if self.tenant_mean(weeks_before(monday, 13), tenant_id, "mean_score") is None:
            return None
        return self.tenant_mean(monday, tenant_id, "mean_score")

    def index(self, monday: date, tenant_id: str) -> float:
        """By what the season lifts or lowers all of a tenant's scores."""
        index: float = self._once(
            ("index", monday, tenant_id), lambda: self._find_index(monday, tenant_id)
        )
        return index

    def _find_index(self, monday: date, tenant_id: str) -> float:
        def counted(first: int, last: int) -> list[float]:
            found = [
                self.counted_mean(weeks_before(monday, weeks), tenant_id)
                for weeks in range(first, last + 1)
            ]
            return [one for one in found if one is not None]

        year_ago = self.counted_mean(weeks_before(monday, 52), tenant_id)
        around = counted(26, 78)
        if year_ago is not None and len(around) >= 26:
            return min(1.25, max(0.8, year_ago / mean(around)))
        now = self.counted_mean(monday, tenant_id)
        before = counted(1, 13)
        if now is not None and len(before) >= 8:
            return min(1.0, max(0.8, now / mean(before)))
        return 1.0

    def adjusted(self, row: TableRow) -> int:
        """A row's score against the season, in millionths."""
        index = self.index(row["date"], row["tenant_id"])
        return min(MILLION, floor(millionths(row["engagement_score"]) / index + 0.5))

    def raw(self, row: TableRow) -> str:
        """What one Monday alone says."""
        segment: str = self._once(("raw", row["date"], row["user_id"]), lambda: self._find_raw(row))
        return segment

    def _find_raw(self, row: TableRow) -> str:
        if row["total_accesses"] == 0:
            return "casual"
        rank, adjusted = rank_of(row), self.adjusted(row)
        assert rank is not None
        is_small = row["tenant_active_users"] < SMALL_TENANT
        if adjusted > POWER and (is_small or rank > Fraction(3, 4)):
            return "power"
        if adjusted < CASUAL and (is_small or rank < Fraction(1, 4)):
            return "casual"
        return "regular"

    def settled(self, monday: date, user_id: str) -> str:
        """What the Mondays up to one say together; the user has a row on it."""
        segment: str = self._once(
            ("settled", monday, user_id), lambda: self._find_settled(monday, user_id)
        )
        return segment

    def _find_settled(self, monday: date, user_id: str) -> str:
        rows = [self.row(weeks_before(monday, weeks), user_id) for weeks in range(SETTLING_WEEKS)]
        latest_first = [None if row is None else self.raw(row) for row in rows]
        for three in zip(latest_first, latest_first[1:], latest_first[2:], strict=False):
            if three[0] is not None and len(set(three)) == 1:
                return three[0]
        seen = [one for one in latest_first if one is not None]
        return max(set(seen), key=lambda one: (seen.count(one), -seen.index(one)))

    def is_mass_change(self, monday: date, tenant_id: str) -> bool:
        """Whether too many of a tenant's users settled elsewhere within a week."""
        found: bool = self._once(
            ("mass", monday, tenant_id), lambda: self._find_mass_change(monday, tenant_id)
        )
        return found

    def _find_mass_change(self, monday: date, tenant_id: str) -> bool:
        before = weeks_before(monday, 1)
        if monday in self.accepted or before - timedelta(days=89) < self.start_date:
            return False
        users = [
            user_id
            for user_id, row in self.scores.get(monday, {}).items()
            if row["tenant_id"] == tenant_id and self.row(before, user_id) is not None
        ]
        moved = sum(self.settled(monday, one) != self.settled(before, one) for one in users)
        return len(users) >= 20 and 10 * moved > 3 * len(users)

    def held_since(self, monday: date, tenant_id: str) -> date | None:
        """The earliest mass change that still holds a tenant's segments back."""
        candidates = [weeks_before(monday, weeks) for weeks in range(HOLDING_WEEKS, -1, -1)]
        return next((one for one in candidates if self.is_mass_change(one, tenant_id)), None)

    def published(self, monday: date, user_id: str) -> str:
        """`segment` of a user who has a row on a Monday."""
        row = self.scores[monday][user_id]
        held = self.held_since(monday, row["tenant_id"])
        stood = monday if held is None else weeks_before(held, 1)
        if self.row(stood, user_id) is None:
            stood = monday
        segment = self.settled(stood, user_id)
        return "casual" if segment == "power" and row["total_accesses"] == 0 else segment


@dataclass(frozen=True)
class Labels:
    """What people call users, by user."""

    table: Sequence[TableRow]

    @cached_property
    def of_user(self) -> Mapping[str, list[TableRow]]:
        found: dict[str, list[TableRow]] = {}
        for row in self.table:
            found.setdefault(row["user_id"], []).append(row)
        return found

    def latest(self, user_id: str, end: date, length: int) -> TableRow | None:
        """The latest label that is a truth, of so many days up to one."""
        first = end - timedelta(days=length - 1)
        found = [
            row
            for row in self.of_user.get(user_id, [])
            if row["label"] != "review" and first <= row["date"] <= end
        ]
        return min(found, key=lambda row: (end - row["date"], row["labelled_by"]), default=None)

    def is_flagged(self, user_id: str, end: date) -> bool:
        """Whether someone wished within a week that one looks."""
        first = end - timedelta(days=6)
        return any(
            row["label"] == "review" and first <= row["date"] <= end
            for row in self.of_user.get(user_id, [])
        )


def segments_table(
    weeks: Weeks, labels: Labels, days: Iterable[date], holidays: Holidays = DEFAULT_HOLIDAYS
) -> list[TableRow]:
    """`user_segments`: one row per Monday run and user with a score on it."""
    return [
        segment_row(weeks, labels, row, holidays)
        for day in days
        if day.weekday() == 0
        for row in weeks.scores.get(day, {}).values()
    ]


def segment_row(weeks: Weeks, labels: Labels, row: TableRow, holidays: Holidays) -> TableRow:
    """One user on one Monday."""
    monday, user_id, tenant_id = row["date"], row["user_id"], row["tenant_id"]
    before = weeks.row(weeks_before(monday, 1), user_id)
    segment, proposed = weeks.published(monday, user_id), weeks.raw(row)
    previous = None if before is None else weeks.published(before["date"], user_id)
    risk = churn_risk(row, proposed)
    is_suppressed = risk in ("high", "medium") and (
        is_holiday(monday, holidays) or is_shared_dip(weeks, row)
    )
    change = None
    if before is not None:
        change = millionths(row["engagement_score"]) - millionths(before["engagement_score"])
    found: TableRow = {
        "date": monday,
        "user_id": user_id,
        "tenant_id": tenant_id,
        "engagement_score": row["engagement_score"],
        "adjusted_score": weeks.adjusted(row) / MILLION,
        "percentile": row["percentile"],
        "trend": row["trend"],
        "score_change_7d": None if change is None else change / MILLION,
        "segment": segment,
        "previous_segment": previous,
        "is_changed": previous is not None and previous != segment,
        "is_held_back": weeks.held_since(monday, tenant_id) is not None,
        "proposed_segment": proposed,
        "transition_status": transition(
            segment, proposed, None if before is None else weeks.raw(before)
        ),
        "is_dormant": is_dormant(row),
        "is_rapid_growth": is_rapid_growth(row),
        "is_gaming_suspected": is_gaming(row),
        "churn_risk": "low" if is_suppressed else risk,
        "is_churn_suppressed": is_suppressed,
    }
    found["sub_segment"] = sub_segment(found, row)
    confidence = confidence_of(weeks.adjusted(row), found, row)
    label = labels.latest(user_id, monday, 90)
    found |= {
        "confidence": float(confidence),
        "needs_review": half_up(confidence * 10**9) < 6 * 10**8,
        "manager_label": None if label is None else label["label"],
        "llm_reasons": llm_reasons(weeks.adjusted(row), change, found, row, labels),
    }
    tenant = weeks.tenants.get(monday, {}).get(tenant_id)
    found |= {"reasoning": reasoning(found, row), "evidence": evidence(row, tenant)}
    return found


def transition(segment: str, proposed: str, proposed_before: str | None) -> str:
    """How what one Monday says stands to what is published."""
    here, now = ORDER.index(segment), ORDER.index(proposed)
    if now == here:
        return "stable"
    before = here if proposed_before is None else ORDER.index(proposed_before)
    if now < here:
        return "at_risk" if before < here else "watch"
    return "rising" if before > here else "watch"


def is_dormant(row: TableRow) -> bool:
    """No access in the latest third."""
    ago = row["last_access_days_ago"]
    return ago is None or bool(ago >= 30)


def thirds(row: TableRow) -> tuple[int, int, int]:
    """The scores of the three thirds, the latest first, in millionths."""
    return (
        millionths(row["score_30d"]),
        millionths(row["score_30_60d"]),
        millionths(row["score_60_90d"]),
    )


def is_rapid_growth(row: TableRow) -> bool:
    """From little to much within a third, of a user who was known before."""
    s1, s2, s3 = thirds(row)
    is_known = row["days_known"] >= 90 and row["observed_days"] >= 80
    return s2 < 300_000 and s3 < 300_000 and s1 > 700_000 and is_known


def is_gaming(row: TableRow) -> bool:
    """A burst, many apps without depth, or half of all on one day."""
    lately, total = row["accesses_30d"], row["total_accesses"]
    earlier = total - lately
    has_burst = lately >= 100 and 0 < 5 * earlier <= lately and row["observed_days"] >= 80
    is_shallow = (
        row["unique_apps"] >= 5
        and 2 * row["earnest_apps"] < row["unique_apps"]
        and row["active_seconds"] < 300 * row["active_days"]
    )
    is_one_day = total >= 100 and 2 * row["busiest_day_accesses"] >= total
    return bool(has_burst or is_shallow or is_one_day)


def churn_risk(row: TableRow, proposed: str) -> str | None:
    """By the thirds, before it is suppressed."""
    if row["total_accesses"] == 0:
        return None
    s1, s2, s3 = thirds(row)
    was_engaged = s2 + s3 >= 500_000
    if s2 > 700_000 and s3 > 700_000 and s1 < 300_000:
        return "high"
    if was_engaged and 20 * s1 <= 3 * (s2 + s3):
        return "high"
    if (was_engaged and 20 * s1 <= 6 * (s2 + s3)) or is_dormant(row):
        return "medium"
    return "low" if row["trend"] == "decreasing" or proposed == "casual" else "very_low"


def is_shared_dip(weeks: Weeks, row: TableRow) -> bool:
    """Whether a user's fall is the tenant's."""
    monday, tenant_id = row["date"], row["tenant_id"]
    now = weeks.tenant_mean(monday, tenant_id, "mean_score_30d")
    earlier = [
        one
        for back in (4, 8)
        if (one := weeks.tenant_mean(weeks_before(monday, back), tenant_id, "mean_score_30d"))
        is not None
    ]
    tenant = weeks.tenants.get(monday, {}).get(tenant_id)
    if now is None or tenant is None or tenant["active_users"] < 5:
        return False
    if not earlier or mean(earlier) == 0:
        return False
    dip = now / mean(earlier)
    s1, s2, s3 = thirds(row)
    return dip < 0.85 and bool(s1 >= (s2 + s3) / 2 * dip / 2)


def sub_segment(found: TableRow, row: TableRow) -> str:
    """The first that holds."""
    is_single = 10 * row["top_app_accesses"] >= 7 * row["total_accesses"]
    if row["total_accesses"] == 0 and row["auth_successes"] > 0:
        return "Sign-in Only"
    if row["days_known"] < 30:
        return "New"
    if found["is_dormant"]:
        return "Dormant"
    if found["churn_risk"] == "high":
        return "At-risk Churn"
    if found["is_rapid_growth"]:
        return "Rapid Growth"
    if found["segment"] == "power":
        if is_single:
            return "Single-tool Expert"
        return "Multi-tool Specialist" if row["earnest_apps"] >= 3 else "Power Generalist"
    if found["segment"] == "regular":
        if millionths(row["consistency_score"]) >= 500_000:
            return "Steady Regular"
        return "Single-tool Expert" if is_single else "Intermittent Regular"
    return "Fading" if row["trend"] == "decreasing" else "Occasional"


def confidence_of(adjusted: int, found: TableRow, row: TableRow) -> Fraction:
    """How far from the bounds a segment is, and on how much it rests."""
    has_access = row["total_accesses"] > 0
    seen = Fraction(row["observed_days"], 90)
    if found["proposed_segment"] != found["segment"]:
        separation = Fraction(0)
    elif not has_access:
        separation = Fraction(1)
    else:
        margin = margin_of(found["segment"], adjusted, row)
        separation = max(Fraction(0), min(Fraction(1), margin * 10))
    told = seen * min(Fraction(1), Fraction(row["total_accesses"], 10)) if has_access else seen
    confidence = Fraction(1, 2) + Fraction(3, 10) * separation + Fraction(2, 10) * told
    return min(confidence, Fraction(35, 100)) if found["is_gaming_suspected"] else confidence


def margin_of(segment: str, adjusted: int, row: TableRow) -> Fraction:
    """How far a user would have to move to get into another segment."""
    rank = rank_of(row)
    assert rank is not None
    above_power = [Fraction(adjusted - POWER, MILLION), rank - Fraction(3, 4)]
    above_casual = [Fraction(adjusted - CASUAL, MILLION), rank - Fraction(1, 4)]
    if row["tenant_active_users"] < SMALL_TENANT:
        above_power, above_casual = above_power[:1], above_casual[:1]
    if segment == "power":
        return min(above_power)
    if segment == "casual":
        return min(-one for one in above_casual)
    return min(max(-one for one in above_power), max(above_casual))


def llm_reasons(
    adjusted: int, change: int | None, found: TableRow, row: TableRow, labels: Labels
) -> list[str]:
    """Why a model is to be asked."""
    monday, user_id = row["date"], row["user_id"]
    is_near = any(abs(adjusted - bound) <= 20_000 for bound in (POWER, CASUAL))
    number = int(hashlib.sha256(user_id.encode()).hexdigest()[:8], 16)
    reasons = {
        "near_boundary": is_near and row["total_accesses"] > 0,
        "score_moved": change is not None and abs(change) > 150_000,
        "anomaly": found["churn_risk"] == "high"
        or found["is_rapid_growth"]
        or found["is_gaming_suspected"],
        "power": found["segment"] == "power",
        "refresh": ((monday - EPOCH).days // 7 + number) % 13 == 0,
        "flagged": labels.is_flagged(user_id, monday),
    }
    return [reason for reason, holds in reasons.items() if holds]


def reasoning(found: TableRow, row: TableRow) -> str:
    """Why the user is what is published, in a sentence or three."""
    thousandths = half_up(Fraction(millionths(row["engagement_score"]), 1000))
    rank = rank_of(row)
    ranked = "not ranked" if rank is None else f"percentile {floor(100 * rank)}"
    ago = row["last_access_days_ago"]
    text = (
        f"{found['segment'].capitalize()} user ({found['sub_segment']}): engagement score "
        f"{thousandths // 1000}.{thousandths % 1000:03}, {ranked}, "
        f"trend {row['trend'] or 'unknown'}. "
        f"{row['total_accesses']} accesses of {row['unique_apps']} apps on "
        f"{row['active_days']} days in 90 days; "
        f"{'no access' if ago is None else f'last access {ago} days ago'}."
    )
    if found["proposed_segment"] != found["segment"]:
        text += f" This week alone says {found['proposed_segment']} ({found['transition_status']})."
    return text


def whole(value: float) -> int:
    """A number rounded half up."""
    return half_up(Fraction(value))


def evidence(row: TableRow, tenant: TableRow | None) -> list[str]:
    """What it rests on, line by line."""
    if row["total_accesses"] == 0:
        return [
            "No access in 90 days",
            f"Sign-ins: {row['auth_successes']} successful, {row['auth_failures']} failed",
        ]
    assert tenant is not None
    return [
        f"Frequency: {row['total_accesses']} accesses in 90 days "
        f"(tenant mean {whole(tenant['mean_accesses'])})",
        f"Diversity: {row['earnest_apps']} of {row['unique_apps']} apps used in earnest "
        f"(tenant mean {whole(tenant['mean_unique_apps'])} apps)",
        f"Recency: last access {row['last_access_days_ago']} days ago",
        f"Consistency: {row['active_days']} days, {row['active_weeks']} of 12 weeks",
        f"Depth: {whole(row['avg_session_minutes'])} minutes a day of use "
        f"(tenant mean {whole(tenant['mean_session_minutes'])})",
    ]


def weeks_of(
    scores: Iterable[TableRow],
    tenants: Iterable[TableRow],
    start_date: date,
    accepted: Collection[date] = (),
) -> Weeks:
    """What stored tables say of the Mondays."""
    mondays = [row for row in scores if row["date"].weekday() == 0]
    return Weeks(by_day(mondays, "user_id"), by_day(tenants, "tenant_id"), start_date, accepted)
