"""Sections 4 to 6: users, firms and the dashboard, by day over the trailing window."""

import calendar
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from statistics import median

from harvey_pipeline_tests.engagement.oracle.activity import (
    WINDOW_DAYS,
    Activity,
    Usage,
    band,
    group_by,
    mean,
    percent,
    points,
    ratio,
    window,
)
from harvey_pipeline_tests.oracle.history import History, known_on, valid_on
from harvey_pipeline_tests.oracle.values import TableRow

TIERS = (
    "Inactive User",
    "Low Value User",
    "Medium Value User",
    "High Value User",
    "Power User",
)


def add_months(day: date, months: int) -> date:
    """Adding months clamps to a month's last day."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def months_since(created: date, day: date) -> int:
    """The largest m with creation + m months on or before the day."""
    months = 12 * (day.year - created.year) + day.month - created.month
    return months if add_months(created, months) <= day else months - 1


def main_firm(activities: Sequence[Activity]) -> str | None:
    """The firm with most queries, then the one active latest, then the smallest id."""
    usage = {
        firm: Usage(rows) for firm, rows in group_by(activities, lambda row: row.firm_id).items()
    }
    most = max((each.queries for each in usage.values()), default=0)
    usage = {firm: each for firm, each in usage.items() if each.queries == most}
    latest = max((each.days[-1] for each in usage.values()), default=None)
    return min((firm for firm, each in usage.items() if each.days[-1] == latest), default=None)


def engagement_level(queries: int, active_days: int) -> str:
    """`engagement_level`: the first level whose queries and active days are both reached."""
    if queries >= 20 and active_days >= 15:
        return "High Frequency User"
    if queries >= 10 and active_days >= 8:
        return "Mid Frequency User"
    if queries >= 5 and active_days >= 3:
        return "Low Frequency User"
    if queries >= 1:
        return "Occasional User"
    return "Inactive User"


def user_row(day: date, user_id: str, known: TableRow, activities: Sequence[Activity]) -> TableRow:
    """One user's row of `daily_user_engagement` over the trailing 30 days."""
    usage = Usage(activities)
    active_days = len(usage.days)
    created = known.get("user_created_date")
    months = None if created is None else months_since(created, day)
    tenures = [(12, "12+ months"), (6, "6-12 months"), (3, "3-6 months"), (1, "1-3 months")]
    days_weight = points(active_days, [(20, 100), (15, 80), (10, 60), (5, 40), (2, 20)])
    documents_weight = points(usage.documents, [(100, 100), (50, 80), (25, 60), (10, 40), (5, 20)])
    breadth_weight = points(usage.event_types, [(3, 100), (2, 70), (1, 40)])
    score = (4 * days_weight + 3 * documents_weight + 3 * breadth_weight) // 10
    qualities = [(4.5, "High Quality"), (3.5, "Good Quality"), (2.5, "Average Quality")]
    return {
        "date": day,
        "user_id": user_id,
        "user_role": known.get("user_role"),
        "user_created_date": created,
        "months_since_creation": months,
        "tenure_band": band(months, tenures, "0-1 months"),
        "firm_id": main_firm(activities),
        "firm_count": len(usage.firms),
        "total_queries": usage.queries,
        "assistant_queries": usage.assistant,
        "vault_queries": usage.vault,
        "workflow_queries": usage.workflow,
        "total_documents_processed": usage.documents,
        "active_days": active_days,
        "unique_event_types": usage.event_types,
        "avg_feedback_score": usage.avg_feedback,
        "avg_documents_per_query": ratio(usage.documents, usage.queries),
        "first_activity_date": usage.days[0] if usage.days else None,
        "last_activity_date": usage.days[-1] if usage.days else None,
        "is_active_today": day in usage.days,
        "active_days_weight": days_weight,
        "document_volume_weight": documents_weight,
        "feature_breadth_weight": breadth_weight,
        "power_user_score": score,
        "power_user_tier": TIERS[min(score // 20, 4)],
        "engagement_level": engagement_level(usage.queries, active_days),
        "usage_pattern": usage.pattern,
        "quality_level": band(usage.avg_feedback, qualities, "Needs Improvement"),
    }


def engagement_table(
    by_day: dict[date, list[Activity]], history: History, days: Sequence[date]
) -> list[TableRow]:
    """One row per day and user valid on it or active in its window."""
    table = []
    for day in days:
        by_user = group_by(window(by_day, day), lambda row: row.user_id)
        for user_id in valid_on(history, day) | by_user.keys():
            known = known_on(history, user_id, day)
            table.append(user_row(day, user_id, known, by_user.get(user_id, [])))
    return table


# --- firm usage ---


def firm_health(usage: Usage, queries_per_user: float | None) -> str:
    """`firm_health_status` by 30-day feedback and queries per active user."""
    if queries_per_user is None:
        return "Critical"
    feedback = usage.avg_feedback
    if feedback is None:
        return "Fair" if queries_per_user >= 2 else "Needs Attention"
    if feedback >= 4.5 and queries_per_user >= 10:
        return "Excellent"
    if feedback >= 4.0 and queries_per_user >= 5:
        return "Good"
    if feedback >= 3.5 and queries_per_user >= 2:
        return "Fair"
    return "Needs Attention" if feedback >= 3.0 else "Critical"


def firm_maturity(age: int | None) -> str | None:
    """`firm_maturity_stage` by days since creation."""
    if age is None:
        return None
    if age <= 30:
        return "New"
    if age <= 90:
        return "Early Stage"
    if age <= 180:
        return "Growing"
    return "Established" if age <= 365 else "Mature"


def firm_row(day: date, firm_id: str, known: TableRow, activities: Sequence[Activity]) -> TableRow:
    """One firm's row of `daily_firm_usage_summary`: the day's and the trailing 30 days' usage."""
    today = Usage([activity for activity in activities if activity.day == day])
    usage = Usage(activities)
    size = known.get("firm_size")
    arr_usd = known.get("arr_usd")
    created = known.get("firm_created_date")
    age = None if created is None else (day - created).days
    adoption = percent(len(usage.users), size)
    queries_per_user = ratio(usage.queries, len(usage.users))
    adoptions = [
        (80, "High Adoption"),
        (60, "Good Adoption"),
        (40, "Moderate Adoption"),
        (20, "Low Adoption"),
    ]
    sizes = [(500, "Large Firm"), (100, "Medium Firm"), (25, "Small Firm")]
    tiers = [(1_000_000, "High Value"), (500_000, "Medium Value"), (100_000, "Standard Value")]
    return {
        "date": day,
        "firm_id": firm_id,
        "active_users": len(today.users),
        "total_queries": today.queries,
        "assistant_queries": today.assistant,
        "vault_queries": today.vault,
        "workflow_queries": today.workflow,
        "total_documents_processed": today.documents,
        "avg_feedback_score": today.avg_feedback,
        "avg_documents_per_query": ratio(today.documents, today.queries),
        "queries_per_active_user": ratio(today.queries, len(today.users)),
        "firm_usage_pattern": today.pattern,
        "daily_adoption_rate": percent(len(today.users), size),
        "active_users_30d": len(usage.users),
        "total_queries_30d": usage.queries,
        "firm_usage_pattern_30d": usage.pattern,
        "avg_feedback_score_30d": usage.avg_feedback,
        "queries_per_active_user_30d": queries_per_user,
        "adoption_rate_30d": adoption,
        "firm_size": size,
        "arr_usd": arr_usd,
        "firm_created_date": created,
        "days_since_firm_creation": age,
        "arr_per_active_user_30d": ratio(arr_usd, len(usage.users)),
        "unused_seats_30d": None if size is None else max(0, size - len(usage.users)),
        "adoption_level": band(adoption, adoptions, "Very Low Adoption"),
        "firm_health_status": firm_health(usage, queries_per_user),
        "firm_maturity_stage": firm_maturity(age),
        "firm_size_category": band(size, sizes, "Boutique Firm"),
        "arr_tier": band(arr_usd, tiers, "Entry Level"),
    }


def firm_table(
    by_day: dict[date, list[Activity]], history: History, days: Sequence[date]
) -> list[TableRow]:
    """One row per day and firm valid on it or active in its window."""
    table = []
    for day in days:
        by_firm = group_by(window(by_day, day), lambda row: row.firm_id)
        for firm_id in valid_on(history, day) | by_firm.keys():
            known = known_on(history, firm_id, day)
            table.append(firm_row(day, firm_id, known, by_firm.get(firm_id, [])))
    return table


# --- changes of tier ---

MEASURES = {
    "active_days_weight": (Fraction(4, 10), "active_days"),
    "document_volume_weight": (Fraction(3, 10), "total_documents_processed"),
    "feature_breadth_weight": (Fraction(3, 10), "unique_event_types"),
}
"""Of each component its share in the score and what it goes by, in the order of ties."""


def tier_change_row(before: TableRow, now: TableRow) -> TableRow:
    """One row of `tier_changes` from a user's rows of D-30 and D."""
    is_up = TIERS.index(now["power_user_tier"]) > TIERS.index(before["power_user_tier"])
    moved = {
        component: share * (now[component] - before[component]) * (1 if is_up else -1)
        for component, (share, _) in MEASURES.items()
    }
    main = next(name for name in moved if moved[name] == max(moved.values()))
    measure = MEASURES[main][1]
    weights = {
        f"{name}_{when}": row[name]
        for name in MEASURES
        for when, row in (("before", before), ("now", now))
    }
    return {
        "date": now["date"],
        "user_id": now["user_id"],
        "firm_id": now["firm_id"],
        "tier_before": before["power_user_tier"],
        "tier_now": now["power_user_tier"],
        "direction": "up" if is_up else "down",
        "score_before": before["power_user_score"],
        "score_now": now["power_user_score"],
        **weights,
        "main_component": main,
        "measure_before": before[measure],
        "measure_now": now[measure],
    }


def tier_change_table(engagement: Iterable[TableRow]) -> list[TableRow]:
    """One row per day and user of another tier than on D-30."""
    rows = {(row["date"], row["user_id"]): row for row in engagement}
    table = []
    for (day, user_id), now in rows.items():
        before = rows.get((day - timedelta(days=WINDOW_DAYS), user_id))
        if before is not None and before["power_user_tier"] != now["power_user_tier"]:
            table.append(tier_change_row(before, now))
    return table


# --- events and dashboard ---


def is_volume_usual(events: dict[date, int], covered: set[date], day: date) -> bool | None:
    """`is_volume_usual`: half to double the median of four days of the same weekday."""
    if day not in covered:
        return False
    past = [one for one in covered if one < day and (day - one).days <= 56]
    alike = sorted(one for one in past if one.weekday() == day.weekday())
    if len(alike) < 4:
        return None
    usual = median(Fraction(events[one]) for one in alike[-4:])
    return usual / 2 <= events[day] <= usual * 2


def event_summary_table(
    by_day: dict[date, list[Activity]], covered: set[date], days: Sequence[date]
) -> list[TableRow]:
    """One row per day; a day without events has zeros and null averages."""
    events = {day: Usage(by_day.get(day, [])).queries for day in covered.union(days)}
    table = []
    for day in days:
        usage = Usage(by_day.get(day, []))
        table.append(
            {
                "date": day,
                "is_covered": day in covered,
                "is_volume_usual": is_volume_usual(events, covered, day),
                "total_events": usage.queries,
                "active_users": len(usage.users),
                "active_firms": len(usage.firms),
                "total_documents": usage.documents,
                "avg_feedback_score": usage.avg_feedback,
                "assistant_events": usage.assistant,
                "vault_events": usage.vault,
                "workflow_events": usage.workflow,
                "scored_events": usage.feedback_count,
                "high_satisfaction_events": usage.high_feedback,
                "low_satisfaction_events": usage.low_feedback,
            }
        )
    return table


def growth_trend(is_history_covered: bool, before: int, now: int, retained: int) -> str:
    """`growth_trend` by the change of power users against D-30 and their retention."""
    if not is_history_covered or before < 20:
        return "Insufficient Data"
    if now in (before - 1, before, before + 1):
        return "Stable"
    change = 100 * (now - before)
    if change >= 10 * before and 100 * retained >= 70 * before:
        return "Strong Growth"
    if change >= 2 * before:
        return "Growing"
    if change > -2 * before:
        return "Stable"
    return "Declining" if change > -20 * before else "Critical Decline"


def dashboard_row(
    summary: TableRow,
    wau: int,
    users: dict[str, TableRow],
    users_before: dict[str, TableRow],
    firms: Sequence[TableRow],
    is_history_covered: bool,
) -> TableRow:
    """One day of `harvey_analytics_dashboard`: the event summary and what is derived from it."""
    day: date = summary["date"]
    window_start = day - timedelta(days=WINDOW_DAYS - 1)
    events: int = summary["total_events"]
    scored: int = summary["scored_events"]
    dau: int = summary["active_users"]
    active = [row for row in users.values() if row["active_days"] > 0]
    mau = len(active)
    new_users = sum(
        row["user_created_date"] is not None and window_start <= row["user_created_date"] <= day
        for row in active
    )

    tier = {user_id: TIERS.index(row["power_user_tier"]) for user_id, row in users.items()}
    tier_before = {
        user_id: TIERS.index(row["power_user_tier"]) for user_id, row in users_before.items()
    }
    on_both_days = tier.keys() & tier_before.keys()
    top = TIERS.index("Power User")
    power_users = sum(each == top for each in tier.values())
    power_users_before = sum(each == top for each in tier_before.values())
    retained = sum(tier[user_id] == tier_before[user_id] == top for user_id in on_both_days)

    active_firms = [row for row in firms if row["active_users"] > 0]
    health = [row["firm_health_status"] for row in firms]
    volumes = [(10_000, "High Volume"), (5_000, "Medium Volume"), (1_000, "Low Volume")]
    return {
        **summary,
        "assistant_percent": percent(summary["assistant_events"], events),
        "vault_percent": percent(summary["vault_events"], events),
        "workflow_percent": percent(summary["workflow_events"], events),
        "high_satisfaction_rate": percent(summary["high_satisfaction_events"], scored),
        "low_satisfaction_rate": percent(summary["low_satisfaction_events"], scored),
        "events_per_user": ratio(events, dau),
        "documents_per_user": ratio(summary["total_documents"], dau),
        "documents_per_event": ratio(summary["total_documents"], events),
        "dau": dau,
        "wau": wau,
        "mau": mau,
        "stickiness": percent(dau, mau),
        "power_users": power_users,
        "high_value_users": sum(TIERS[each] == "High Value User" for each in tier.values()),
        "medium_value_users": sum(TIERS[each] == "Medium Value User" for each in tier.values()),
        "low_value_users": sum(TIERS[each] == "Low Value User" for each in tier.values()),
        "inactive_users": sum(TIERS[each] == "Inactive User" for each in tier.values()),
        "power_user_rate": percent(power_users, mau),
        "avg_power_score": mean(row["power_user_score"] for row in active),
        "avg_queries_per_user": mean(row["total_queries"] for row in active),
        "avg_active_days_per_user": mean(row["active_days"] for row in active),
        "avg_user_feedback": mean(row["avg_feedback_score"] for row in active),
        "feature_adoption_rate": percent(
            sum(row["unique_event_types"] >= 2 for row in active), mau
        ),
        "avg_firm_feedback": mean(row["avg_feedback_score"] for row in active_firms),
        "avg_firm_adoption_rate": mean(row["daily_adoption_rate"] for row in active_firms),
        "excellent_firms": health.count("Excellent"),
        "good_firms": health.count("Good"),
        "fair_firms": health.count("Fair"),
        "needs_attention_firms": health.count("Needs Attention"),
        "critical_firms": health.count("Critical"),
        "new_users": new_users,
        "returning_users": mau - new_users,
        "power_user_retention": percent(retained, power_users_before),
        "users_moved_up": sum(tier[user] > tier_before[user] for user in on_both_days),
        "users_moved_down": sum(tier[user] < tier_before[user] for user in on_both_days),
        "growth_trend": growth_trend(is_history_covered, power_users_before, power_users, retained),
        "usage_volume_category": band(events, volumes, "Minimal Usage"),
    }


def dashboard_table(
    by_day: dict[date, list[Activity]],
    covered: set[date],
    summaries: Iterable[TableRow],
    engagement: Iterable[TableRow],
    firms: Iterable[TableRow],
) -> list[TableRow]:
    """One row per day, read against the users' rows of 30 days before."""
    users_on: dict[date, dict[str, TableRow]] = defaultdict(dict)
    for row in engagement:
        users_on[row["date"]][row["user_id"]] = row
    firms_on: dict[date, list[TableRow]] = defaultdict(list)
    for row in firms:
        firms_on[row["date"]].append(row)
    table = []
    for summary in summaries:
        day: date = summary["date"]
        before = day - timedelta(days=WINDOW_DAYS)
        last_60_days = {day - timedelta(days=back) for back in range(2 * WINDOW_DAYS)}
        table.append(
            dashboard_row(
                summary,
                wau=len(Usage(window(by_day, day, length=7)).users),
                users=users_on.get(day, {}),
                users_before=users_on.get(before, {}),
                firms=firms_on.get(day, []),
                is_history_covered=last_60_days <= covered,
            )
        )
    return table
