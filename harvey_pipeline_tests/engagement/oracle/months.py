"""Section 7 and the cohorts of section 8: calendar months."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Any

from harvey_pipeline_tests.engagement.oracle.activity import (
    Activity,
    Usage,
    group_by,
    percent,
    ratio,
)
from harvey_pipeline_tests.engagement.oracle.engagement import add_months, user_row
from harvey_pipeline_tests.engagement.oracle.growth import ActiveDates
from harvey_pipeline_tests.oracle.history import ONE_DAY, History, known_on
from harvey_pipeline_tests.oracle.values import TableRow


def month_of(day: date) -> date:
    """The first day of a day's calendar month."""
    return day.replace(day=1)


def month_end(month: date) -> date:
    """The last day of a calendar month."""
    return add_months(month, 1) - ONE_DAY


def by_month(activities: Iterable[Activity]) -> dict[date, list[Activity]]:
    """The activities of each calendar month."""
    months: dict[date, list[Activity]] = defaultdict(list)
    for activity in activities:
        months[month_of(activity.day)].append(activity)
    return dict(months)


def percent_ranks(values: dict[str, Any]) -> dict[str, Fraction]:
    """SQL's `percent_rank()`: how many are smaller, of all others; 0 for a single row."""
    others = max(len(values) - 1, 1)
    ordered = sorted(values.values())
    return {name: Fraction(ordered.index(value), others) for name, value in values.items()}


SAME_AS_IN_WINDOW = (
    "firm_id",
    "unique_event_types",
    "active_days_weight",
    "document_volume_weight",
    "feature_breadth_weight",
    "power_user_score",
    "power_user_tier",
)


def monthly_user_table(months: dict[date, list[Activity]]) -> list[TableRow]:
    """One row per month and user with activity in it."""
    table = []
    for month, activities in months.items():
        by_user = group_by(activities, lambda row: row.user_id)
        usages = {user: Usage(rows) for user, rows in by_user.items()}
        before = {row.user_id for row in months.get(add_months(month, -1), [])}
        queries = percent_ranks({user: each.queries for user, each in usages.items()})
        documents = percent_ranks({user: each.documents for user, each in usages.items()})
        feedback = percent_ranks(
            {
                user: Fraction(each.feedback_hundredths, each.feedback_count)
                for user, each in usages.items()
                if each.feedback_count
            }
        )
        scores = {
            user: Fraction(6, 10) * queries[user]
            + Fraction(3, 10) * documents[user]
            + Fraction(1, 10) * feedback.get(user, Fraction(0))
            for user in usages
        }
        ranks = percent_ranks(scores)
        for user, usage in usages.items():
            row = user_row(month_end(month), user, {}, by_user[user])
            levels = [(Fraction(8, 10), "high"), (Fraction(3, 10), "medium")]
            level = next((name for bound, name in levels if ranks[user] >= bound), "low")
            is_power_user = level == "high" and user in before and usage.event_types >= 2
            table.append(
                {
                    **{name: row[name] for name in SAME_AS_IN_WINDOW},
                    "activity_month": month,
                    "user_id": user,
                    "num_active_days": len(usage.days),
                    "num_queries": usage.queries,
                    "num_workflow_queries": usage.workflow,
                    "num_vault_queries": usage.vault,
                    "num_assistant_queries": usage.assistant,
                    "avg_queries_per_active_day": usage.queries / len(usage.days),
                    "num_docs": usage.documents,
                    "avg_docs_per_query": usage.documents / usage.queries,
                    "avg_feedback_score": usage.avg_feedback,
                    "last_active_date": usage.days[-1],
                    "pr_num_queries": float(queries[user]),
                    "pr_num_docs": float(documents[user]),
                    "pr_avg_feedback_score": float(feedback.get(user, 0)),
                    "engagement_score": float(scores[user]),
                    "pr_engagement_score": float(ranks[user]),
                    "engagement_level": level,
                    "is_power_user": is_power_user,
                }
            )
    return table


def monthly_firm_table(
    months: dict[date, list[Activity]], history: History, last_covered: date
) -> list[TableRow]:
    """One row per month and firm with activity in it."""
    table = []
    for month, activities in months.items():
        for firm, rows in group_by(activities, lambda row: row.firm_id).items():
            usage = Usage(rows)
            known = known_on(history, firm, min(month_end(month), last_covered))
            users = len(usage.users)
            table.append(
                {
                    "activity_month": month,
                    "firm_id": firm,
                    "num_active_days": len(usage.days),
                    "num_active_users": users,
                    "num_queries": usage.queries,
                    "num_assistant_queries": usage.assistant,
                    "num_vault_queries": usage.vault,
                    "num_workflow_queries": usage.workflow,
                    "num_docs": usage.documents,
                    "avg_feedback_score": usage.avg_feedback,
                    "queries_per_active_day": usage.queries / len(usage.days),
                    "queries_per_active_user": usage.queries / users,
                    "docs_per_query": usage.documents / usage.queries,
                    "firm_size": known.get("firm_size"),
                    "arr_usd": known.get("arr_usd"),
                    "arr_per_user": ratio(known.get("arr_usd"), users),
                    "seat_utilization": percent(users, known.get("firm_size")),
                }
            )
    return table


def retention_table(active: ActiveDates, first_covered: date, last_covered: date) -> list[TableRow]:
    """One row per grain, cohort and month from the cohort's to that of the last covered day."""
    table = []
    for grain, entities in active.items():
        months = {name: {month_of(day) for day in dates} for name, dates in entities.items()}
        for cohort in sorted({min(each) for each in months.values()}):
            members = [each for each in months.values() if min(each) == cohort]
            month, number = cohort, 0
            while month <= last_covered:
                is_complete = month_end(month) <= last_covered
                retained = sum(month in each for each in members) if is_complete else None
                rate = None if retained is None else percent(retained, len(members))
                table.append(
                    {
                        "grain": grain,
                        "cohort_month": cohort,
                        "months_since": number,
                        "activity_month": month,
                        "cohort_size": len(members),
                        "retained": retained,
                        "retention_rate": rate,
                        "is_complete": is_complete,
                        "is_first_month": cohort <= first_covered <= month_end(cohort),
                    }
                )
                month, number = add_months(month, 1), number + 1
    return table
