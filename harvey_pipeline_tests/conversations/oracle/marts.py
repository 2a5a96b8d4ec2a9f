"""Section 6: marts, one slice per day."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property

from harvey_pipeline_tests.conversations.oracle.catalogue import Catalogue
from harvey_pipeline_tests.conversations.oracle.conversations import (
    between,
    percent,
    quotient,
    window_folds,
)
from harvey_pipeline_tests.conversations.oracle.reading import OTHER
from harvey_pipeline_tests.conversations.oracle.sources import DEFAULT_LIMIT, limit_on
from harvey_pipeline_tests.conversations.oracle.users import MONTH, by_user, month_credits
from harvey_pipeline_tests.oracle.history import History
from harvey_pipeline_tests.oracle.values import TableRow

Rows = Sequence[TableRow]

PERIODS = {
    "day_1": (1, 1),
    "day_7": (7, 7),
    "day_30": (30, 30),
    "week_1": (7, 13),
    "week_2": (14, 20),
}
"""First and last day after signing up."""
JOURNEY = {
    "first_chat": "first_chat_date",
    "used_tool": "first_tool_date",
    "created_content": "first_creation_date",
    "exhausted_credits": "first_exhaustion_date",
}
"""Each step and its first day."""
COHORTS_POOLED = 30
FEWEST_RELIABLE = 20
TOP_USE_CASES = 3


@dataclass(frozen=True)
class Window:
    """All that one day's marts are made of: rows of the 30 days, and of all days run.

    Args:
        day: The day.
        users: `user_daily` of the 30 days.
        tools: `tool_daily` of the 30 days.
        folds: The window's conversations, by conversation and user.
        exhausted: Rows of `credit_exhaustion` of the 30 days of users who have used all up.
        catalogue: The words in use.
    """

    day: date
    users: Rows
    tools: Rows
    folds: Mapping[tuple[str, str], TableRow]
    exhausted: Rows
    catalogue: Catalogue

    @cached_property
    def active(self) -> set[str]:
        return users_of(self.users)


def days_ago(day: date, days: int) -> date:
    return day - timedelta(days=days)


def users_of(rows: Iterable[TableRow]) -> set[str]:
    return {row["user_id"] for row in rows}


def window_of(
    day: date,
    user_daily: Rows,
    tool_daily: Rows,
    conversation_daily: Rows,
    exhaustion: Rows,
    catalogue: Catalogue,
) -> Window:
    """What the 30 days up to a day hold."""
    return Window(
        day,
        between(user_daily, day, MONTH),
        between(tool_daily, day, MONTH),
        window_folds(between(conversation_daily, day, MONTH), catalogue),
        [row for row in between(exhaustion, day, MONTH) if row["is_exhausted"]],
        catalogue,
    )


def grouped(rows: Iterable[TableRow], *columns: str) -> dict[tuple[str, ...], list[TableRow]]:
    """Rows by the values of some columns."""
    found: dict[tuple[str, ...], list[TableRow]] = defaultdict(list)
    for row in rows:
        found[tuple(row[column] for column in columns)].append(row)
    return found


# --- Tools ----------------------------------------------------------------------------------


def success_rate(rows: Rows) -> float | None:
    successes = sum(row["successes"] for row in rows)
    return percent(successes, successes + sum(row["failures"] for row in rows))


def tool_usage_rows(window: Window) -> list[TableRow]:
    """One row per tool with a call in the 30 days."""
    table = []
    for (name,), month in grouped(window.tools, "tool_name").items():
        if not any(row["calls"] for row in month):
            continue
        today = [row for row in month if row["date"] == window.day]
        table.append(
            {
                "date": window.day,
                "tool_name": name,
                "calls": sum(row["calls"] for row in today),
                "successes": sum(row["successes"] for row in today),
                "failures": sum(row["failures"] for row in today),
                "success_rate": success_rate(today),
                "users": len(users_of(row for row in today if row["calls"])),
                "credits_used": sum(row["credits_used"] for row in today),
                "calls_30d": sum(row["calls"] for row in month),
                "users_30d": len(users_of(row for row in month if row["calls"])),
                "success_rate_30d": success_rate(month),
            }
        )
    return table


def failure_points_rows(window: Window) -> list[TableRow]:
    """One row per tool and error type with a failure in the 30 days."""
    failed = [row for row in window.tools if row["failures"]]
    table = []
    for (tool_name, error_type), month in grouped(failed, "tool_name", "error_type").items():
        today = [row for row in month if row["date"] == window.day]
        dates = {row["date"] for row in month}
        users = users_of(month)
        table.append(
            {
                "date": window.day,
                "tool_name": tool_name,
                "error_type": error_type,
                "failure_count": sum(row["failures"] for row in today),
                "affected_users": len(users_of(today)),
                "failure_count_30d": sum(row["failures"] for row in month),
                "affected_users_30d": len(users),
                "days_30d": len(dates),
                "is_repeated": len(dates) >= 3 and len(users) >= 2,
            }
        )
    return table


# --- Use cases ------------------------------------------------------------------------------


def window_conversations_rows(window: Window) -> list[TableRow]:
    """One row per use case of the window's conversations, the empty text where there is none."""
    by_case: dict[str, list[tuple[str, TableRow]]] = defaultdict(list)
    for (_, user_id), fold in window.folds.items():
        by_case[fold["extracted_use_case"] or ""].append((user_id, fold))
    return [
        {
            "date": window.day,
            "use_case": name,
            "conversations": len(own),
            "users": len({user_id for user_id, _ in own}),
            "completed": completed_of(fold for _, fold in own),
            "credits_used": sum(fold["credits_used"] for _, fold in own),
            "satisfaction": satisfaction_sum(fold for _, fold in own),
            "messages": sum(fold["messages"] for _, fold in own),
            "loved": sum(fold["loved_messages"] > 0 for _, fold in own),
            "requesting": sum(bool(fold["feature_requests"]) for _, fold in own),
        }
        for name, own in by_case.items()
    ]


def use_cases_rows(window: Window) -> list[TableRow]:
    """One row per use case of the window's conversations."""
    by_case: dict[str, list[tuple[str, TableRow]]] = defaultdict(list)
    for (_, user_id), fold in window.folds.items():
        if fold["extracted_use_case"] is not None:
            by_case[fold["extracted_use_case"]].append((user_id, fold))
    total = sum(len(own) for own in by_case.values())
    return [
        {
            "date": window.day,
            "use_case": name,
            "conversations": len(own),
            "users": len({user_id for user_id, _ in own}),
            "share_percent": percent(len(own), total),
            "completion_rate": percent(completed_of(fold for _, fold in own), len(own)),
            "credits_used": sum(fold["credits_used"] for _, fold in own),
            "avg_satisfaction": quotient(satisfaction_sum(fold for _, fold in own), len(own)),
        }
        for name, own in by_case.items()
    ]


def completed_of(folds: Iterable[TableRow]) -> int:
    return sum(fold["completion_status"] == "completed" for fold in folds)


def satisfaction_sum(folds: Iterable[TableRow]) -> int:
    return sum(fold["user_satisfaction_signal"] for fold in folds)


# --- Funnel and retention -------------------------------------------------------------------


def funnel_rows(
    day: date,
    first_steps: Rows,
    user_daily: Rows,
    accounts: History,
    default_limit: int = DEFAULT_LIMIT,
) -> list[TableRow]:
    """All who have signed up by the day, and those of the 30 days."""
    days_of = by_user(user_daily)
    cohorts = {
        "all": [row for row in first_steps if row["signed_up_date"] <= day],
        "30d": [
            row for row in first_steps if days_ago(day, MONTH - 1) <= row["signed_up_date"] <= day
        ],
    }

    def is_done(step: date | None) -> bool:
        return step is not None and step <= day

    def is_high(user_id: str) -> bool:
        limit = limit_on(accounts, user_id, day, default_limit)
        return limit > 0 and 10 * month_credits(days_of.get(user_id, []), day) >= 9 * limit

    table = []
    for cohort, members in cohorts.items():
        row: TableRow = {
            "date": day,
            "cohort": cohort,
            "total_users": len(members),
            "day_1_active": sum(
                is_done(one["first_active_date"])
                and one["first_active_date"] <= one["signed_up_date"] + timedelta(days=1)
                for one in members
            ),
            "high_usage": sum(is_high(one["user_id"]) for one in members),
            "successful_users": sum(is_done(one["first_completion_date"]) for one in members),
        }
        left = members
        for step, column in JOURNEY.items():
            before = len(left)
            left = [one for one in left if is_done(one[column])]
            row[step] = len(left)
            row[f"{step}_rate"] = percent(len(left), before)
        table.append(row)
    return table


def retention_table(
    first_steps: Rows, user_daily: Rows, days: Iterable[date], covered: Collection[date]
) -> list[TableRow]:
    """One row per day of signing up and period."""
    active = {(row["user_id"], row["date"]) for row in user_daily}
    table = []
    for day in days:
        cohort = [row["user_id"] for row in first_steps if row["signed_up_date"] == day]
        for period, (first, last) in PERIODS.items():
            dates = [day + timedelta(days=after) for after in range(first, last + 1)]
            retained = None
            if all(one in covered for one in dates):
                retained = sum(any((user_id, one) in active for one in dates) for user_id in cohort)
            table.append(
                {
                    "date": day,
                    "period": period,
                    "cohort_size": len(cohort),
                    "retained": retained,
                    "retention_rate": None if retained is None else percent(retained, len(cohort)),
                }
            )
    return table


def pooled(retention: Iterable[TableRow], period: str, day: date) -> tuple[int, int]:
    """Retained and users of the 30 cohorts whose period was over last, unknown ones left out."""
    last = days_ago(day, PERIODS[period][1])
    cells = [
        row
        for row in between(retention, last, COHORTS_POOLED)
        if row["period"] == period and row["retained"] is not None
    ]
    return sum(row["retained"] for row in cells), sum(row["cohort_size"] for row in cells)


# --- Signals --------------------------------------------------------------------------------


def signals_rows(window: Window, failure_points: Rows, retention: Rows) -> list[TableRow]:
    """The eleven signals of one day."""
    folds = list(window.folds.values())
    cased = [fold for fold in folds if fold["extracted_use_case"] is not None]
    active = len(window.active)
    exhausted = len(users_of(window.exhausted))
    sessions = {
        user_id: sum(row["sessions"] for row in own)
        for user_id, own in by_user(window.users).items()
    }
    vision = window.catalogue.vision

    def share(part: int, whole: int) -> Fraction | None:
        return Fraction(100 * part, whole) if whole else None

    def plain(part: int, whole: int) -> Fraction | None:
        return Fraction(part, whole) if whole else None

    def count(part: int, _: int) -> Fraction | None:
        return Fraction(part)

    def count_of_some(part: int, whole: int) -> Fraction | None:
        return Fraction(part) if whole else None

    def stated(part: int, whole: int) -> Fraction | None:
        return share(part, whole) if vision else None

    table: list[TableRow] = []

    def add(
        kind: str,
        signal: str,
        numerator: int,
        denominator: int,
        threshold: int,
        value_of: Callable[[int, int], Fraction | None] = share,
        is_met: Callable[[Fraction, int], bool] = lambda value, threshold: value > threshold,
    ) -> None:
        value = value_of(numerator, denominator)
        table.append(
            {
                "date": window.day,
                "signal": signal,
                "kind": kind,
                "numerator": numerator,
                "denominator": denominator,
                "value": None if value is None else float(value),
                "threshold": float(threshold),
                "is_met": None if value is None else is_met(value, threshold),
                "is_reliable": denominator >= FEWEST_RELIABLE,
            }
        )

    def having(rows: Iterable[TableRow], column: str) -> list[TableRow]:
        return [row for row in rows if row[column]]

    conversations = len(folds)
    retained, signed_up = pooled(retention, "day_7", window.day)
    add("strong", "credit_exhaustion_rate", exhausted, active, 20)
    add("strong", "day_7_retention", retained, signed_up, 40)
    add(
        "strong",
        "organic_sharing",
        len(users_of(having(window.users, "sharing_events"))),
        active,
        5,
    )
    loved = len(having(folds, "loved_messages"))
    add("strong", "love_in_conversations", loved, conversations, 2)
    single = sum(number == 1 for number in sessions.values())
    add("weak", "single_session_users", single, active, 50)
    add(
        "weak",
        "no_credit_exhaustion",
        exhausted,
        active,
        0,
        count_of_some,
        lambda value, threshold: value == threshold,
    )
    add(
        "weak",
        "short_conversations",
        sum(fold["messages"] for fold in folds),
        conversations,
        5,
        plain,
        lambda value, threshold: value < threshold,
    )
    failures = sum(row["failures"] for row in window.users)
    add("weak", "error_rate", failures, sum(row["attempts"] for row in window.users), 10)
    add("pivot", "repeated_blockers", len(having(failure_points, "is_repeated")), active, 0, count)
    unmet = len(having(folds, "feature_requests"))
    add("pivot", "unmet_requests", unmet, conversations, 10)
    outside = sum(fold["extracted_use_case"] not in vision for fold in cased)
    add("pivot", "use_case_mismatch", outside, len(cased), 50, stated)
    return table


# --- Dashboard ------------------------------------------------------------------------------


def dashboard_row(
    window: Window,
    first_steps: Rows,
    use_cases: Rows,
    signals: Rows,
    retention: Rows,
    covered: Collection[date],
) -> TableRow:
    """A day in one row."""
    day = window.day
    today = between(window.users, day, 1)
    dau, mau = len(users_of(today)), len(window.active)
    total_users = sum(row["signed_up_date"] <= day for row in first_steps)
    folds = window.folds.values()
    row: TableRow = {
        "date": day,
        "is_covered": day in covered,
        "total_users": total_users,
        "dau": dau,
        "wau": len(users_of(between(window.users, day, 7))),
        "mau": mau,
        "dau_rate": percent(dau, total_users),
        "stickiness": percent(dau, mau),
        "new_users": sum(one["signed_up_date"] == day for one in first_steps),
        "conversations": sum(one["conversations"] for one in today),
        "messages": sum(one["messages"] for one in today),
        "credits_used": sum(one["credits_used"] for one in today),
        "exhausted_users": len(users_of(between(window.exhausted, day, 1))),
        "exhausted_users_30d": len(users_of(window.exhausted)),
        "average_session_length": quotient(
            sum(one["session_seconds"] for one in window.users),
            60 * sum(one["sessions"] for one in window.users),
        ),
        "completion_rate": percent(completed_of(folds), len(folds)),
        "avg_satisfaction": quotient(satisfaction_sum(folds), len(folds)),
        "error_rate": percent(
            sum(one["failures"] for one in window.users),
            sum(one["attempts"] for one in window.users),
        ),
    }
    for period in PERIODS:
        retained, users = pooled(retention, period, day)
        row[f"{period}_users"] = users
        row[f"{period}_retained"] = retained
        row[f"{period}_retention"] = percent(retained, users)
    order = list(window.catalogue.use_cases)
    named = sorted(
        (one for one in use_cases if one["use_case"] != OTHER),
        key=lambda one: (-one["conversations"], order.index(one["use_case"])),
    )
    for place in range(TOP_USE_CASES):
        top = named[place] if place < len(named) else None
        name = f"top_use_case_{place + 1}"
        row[name] = top["use_case"] if top else None
        row[f"{name}_percent"] = top["share_percent"] if top else None
    for kind in ("strong", "weak", "pivot"):
        row[f"{kind}_signals"] = sum(
            bool(one["is_met"]) and one["is_reliable"] for one in signals if one["kind"] == kind
        )
    return row
