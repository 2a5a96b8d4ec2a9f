"""Section 5: first steps, used-up credits, and what is known of each user."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from harvey_pipeline_tests.conversations.oracle.catalogue import Catalogue
from harvey_pipeline_tests.conversations.oracle.conversations import (
    between,
    folded,
    percent,
    quotient,
    ranked,
    use_case_of,
    window_folds,
)
from harvey_pipeline_tests.conversations.oracle.daily import canonical, json_sums
from harvey_pipeline_tests.conversations.oracle.sources import DEFAULT_LIMIT, limit_on
from harvey_pipeline_tests.oracle.history import History, known_on, valid_on
from harvey_pipeline_tests.oracle.values import TableRow

Rows = Sequence[TableRow]

MONTH = 30
WINDOW = 90
FEWEST_USES = 2
MOST_LISTED = 5
NAMELESS = ("unknown", "none")


def by_user(rows: Iterable[TableRow]) -> dict[str, list[TableRow]]:
    """Rows of each user."""
    found: dict[str, list[TableRow]] = defaultdict(list)
    for row in rows:
        found[row["user_id"]].append(row)
    return found


# --- Credits --------------------------------------------------------------------------------


def month_credits(own_days: Iterable[TableRow], day: date) -> int:
    """The credits of a user's calendar month up to a day."""
    first = day.replace(day=1)
    return sum(row["credits_used"] for row in own_days if first <= row["date"] <= day)


def credit_exhaustion_table(
    user_daily: Rows, accounts: History, default_limit: int = DEFAULT_LIMIT
) -> list[TableRow]:
    """One row per day and user who is near the limit."""
    days_of = by_user(user_daily)
    table = []
    for row in user_daily:
        if not row["credits_used"] and not row["refusals"]:
            continue
        used = month_credits(days_of[row["user_id"]], row["date"])
        limit = limit_on(accounts, row["user_id"], row["date"], default_limit)
        is_limit_reached = used - row["credits_used"] < limit <= used
        if 10 * used >= 9 * limit or row["refusals"]:
            table.append(
                {
                    "date": row["date"],
                    "user_id": row["user_id"],
                    "credits_used": row["credits_used"],
                    "credits_used_month": used,
                    "credit_limit": limit,
                    "used_percent": percent(used, limit),
                    "refusals": row["refusals"],
                    "is_limit_reached": is_limit_reached,
                    "is_exhausted": row["refusals"] > 0 or is_limit_reached,
                }
            )
    return table


# --- First steps ----------------------------------------------------------------------------


def first_steps_table(
    accounts: History,
    user_daily: Rows,
    conversation_daily: Rows,
    exhaustion: Rows,
    catalogue: Catalogue,
) -> list[TableRow]:
    """One row per user who has an account or was ever active."""
    days_of = by_user(user_daily)
    conversations_of = by_user(conversation_daily)
    exhaustion_of = by_user(exhaustion)

    def first(days: Iterable[date]) -> date | None:
        return min(days, default=None)

    table = []
    for user_id in {*accounts, *days_of}:
        days = days_of.get(user_id, [])
        known = [version.start for version in accounts.get(user_id, [])][:1]
        table.append(
            {
                "user_id": user_id,
                "signed_up_date": first([*known, *(row["date"] for row in days)]),
                "first_active_date": first(row["date"] for row in days),
                "first_chat_date": first(row["date"] for row in days if row["user_messages"]),
                "first_tool_date": first(row["date"] for row in days if row["tool_calls"]),
                "first_creation_date": first(row["date"] for row in days if row["creations"]),
                "first_exhaustion_date": first(
                    row["date"] for row in exhaustion_of.get(user_id, []) if row["is_exhausted"]
                ),
                "first_completion_date": first(
                    row["date"]
                    for row in conversations_of.get(user_id, [])
                    if folded([row], catalogue)["completion_status"] == "completed"
                ),
            }
        )
    return table


# --- Profiles -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What profiles are made of, by user."""

    accounts: History
    first_steps: Mapping[str, TableRow]
    days: Mapping[str, Rows]
    conversations: Mapping[str, Rows]
    tools: Mapping[str, Rows]
    traits: Mapping[str, Rows]
    exhaustion: Mapping[str, Rows]
    catalogue: Catalogue


def user_profiles_table(known: Known, days: Iterable[date]) -> list[TableRow]:
    """One row per day and user who has an account then, or was active in the window."""
    return [
        profile_of(known, user_id, day)
        for day in days
        for user_id in {
            *valid_on(known.accounts, day),
            *(user_id for user_id, rows in known.days.items() if between(rows, day, WINDOW)),
        }
    ]


def profile_of(known: Known, user_id: str, day: date) -> TableRow:
    """A user as known on a day."""

    def window(rows_of: Mapping[str, Rows]) -> list[TableRow]:
        return between(rows_of.get(user_id, []), day, WINDOW)

    active = window(known.days)
    folds = window_folds(window(known.conversations), known.catalogue).values()
    completed = sum(fold["completion_status"] == "completed" for fold in folds)
    steps = known.first_steps[user_id]
    account = known_on(known.accounts, user_id, day)
    since_signup = (day - steps["signed_up_date"]).days
    sessions = sum(row["sessions"] for row in active)
    seconds = sum(row["session_seconds"] for row in active)
    last_active = max((row["date"] for row in active), default=None)
    profile = {
        "date": day,
        "user_id": user_id,
        "email": account.get("email"),
        "created_at": account.get("account_created_at"),
        "signed_up_date": steps["signed_up_date"],
        "days_since_signup": since_signup,
        "total_conversations": len(folds),
        "total_messages": sum(row["messages"] for row in active),
        "total_credits_used": sum(row["credits_used"] for row in active),
        "active_days": len(active),
        "sessions": sessions,
        "last_active_at": max((row["last_event_at"] for row in active), default=None),
        "last_active_date": last_active,
        "average_session_length": quotient(seconds, 60 * sessions),
        "completion_rate": percent(completed, len(folds)),
        "primary_use_case": use_case_of(
            json_sums(fold["use_case_messages"] for fold in folds), known.catalogue
        ),
        "preferred_tools": preferred_tools(window(known.tools)),
        "frequently_used_prompts": frequent_prompts(window(known.traits)),
        "preferences": canonical(preferences_of(window(known.traits))),
        "credit_exhaustion_count": sum(row["is_exhausted"] for row in window(known.exhaustion)),
        "retention_cohort": retention_cohort(
            since_signup, steps["signed_up_date"], {row["date"] for row in active}, day
        ),
        "activation_status": activation_status(
            since_signup, between(active, day, MONTH), steps["first_creation_date"], day
        ),
    }
    preferences = preferences_of(window(known.traits))
    return profile | {"context_summary": summary_of(profile, preferences, completed)}


def preferred_tools(tools: Iterable[TableRow]) -> list[str]:
    """Tools by calls, then by the last date with one."""
    calls: Counter[str] = Counter()
    last: dict[str, date] = {}
    for row in tools:
        name = row["tool_name"]
        if row["calls"] and name not in NAMELESS:
            calls[name] += row["calls"]
            last[name] = max(row["date"], last.get(name, date.min))
    return list(ranked(calls, last)[:MOST_LISTED])


def uses_of(traits: Iterable[TableRow], kind: str) -> tuple[dict[str, int], dict[str, date]]:
    """How often, and when last, each trait of a kind was met; rare ones are left out."""
    times: Counter[str] = Counter()
    last: dict[str, date] = {}
    for row in traits:
        if row["kind"] == kind:
            times[row["name"]] += row["times"]
            last[row["name"]] = max(row["date"], last.get(row["name"], date.min))
    return {name: count for name, count in times.items() if count >= FEWEST_USES}, last


def frequent_prompts(traits: Iterable[TableRow]) -> list[str]:
    """Prompts by uses, then by the last date with one."""
    return list(ranked(*uses_of(traits, "prompt"))[:MOST_LISTED])


def preferences_of(traits: Iterable[TableRow]) -> dict[str, str]:
    """The value of each key that is used most, keys in order."""
    best: dict[str, str] = {}
    for name in ranked(*uses_of(traits, "preference")):
        key, _, value = name.partition("=")
        best.setdefault(key, value)
    return dict(sorted(best.items()))


def retention_cohort(since_signup: int, signed_up: date, active: set[date], day: date) -> str:
    """How long a user has stayed, by active days of the window."""
    ages = {(one - signed_up).days for one in active}
    if since_signup >= 14 and not any((day - one).days < 14 for one in active):
        return "churned"
    if any(age >= 14 for age in ages):
        return "week_2"
    if any(7 <= age <= 13 for age in ages):
        return "week_1"
    return "day_1" if any(1 <= age <= 6 for age in ages) else "day_0"


def activation_status(
    since_signup: int, month: Rows, first_creation: date | None, day: date
) -> str:
    """How far a user has come, by the rows of the 30 days."""
    if since_signup >= 30 and not month:
        return "dormant"
    if len(month) >= 8 and sum(row["creations"] for row in month) >= 3:
        return "power_user"
    if first_creation is not None and first_creation <= day:
        return "first_creation"
    return "signed_up"


def summary_of(profile: TableRow, preferences: Mapping[str, str], completed: int) -> str:
    """A profile in one line."""
    parts = []
    if profile["primary_use_case"] is not None:
        parts.append("mainly " + profile["primary_use_case"].replace("_", " "))
    if profile["preferred_tools"]:
        parts.append("prefers " + ", ".join(profile["preferred_tools"]))
    parts += [f"{key} {value}" for key, value in preferences.items()]
    count = profile["total_conversations"]
    if count:
        rounded = (200 * completed + count) // (2 * count)
        parts.append(f"{count} conversations in 90 days, {rounded} % completed")
    last = profile["last_active_date"]
    parts.append("not active in 90 days" if last is None else f"last active {last}")
    parts.append("status " + profile["activation_status"].replace("_", " "))
    return "; ".join(parts)
