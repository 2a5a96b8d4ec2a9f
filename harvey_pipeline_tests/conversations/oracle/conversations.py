"""Section 4: conversations, cut into rows, and what each is about."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from harvey_pipeline_tests.conversations.oracle.catalogue import Catalogue
from harvey_pipeline_tests.conversations.oracle.daily import MOST_REQUESTS, canonical, json_sums
from harvey_pipeline_tests.conversations.oracle.reading import OTHER, normal_form, occurs
from harvey_pipeline_tests.oracle.values import TableRow

SUMMED = (
    "events",
    "messages",
    "user_messages",
    "tool_calls",
    "successful_calls",
    "creations",
    "attempts",
    "failures",
    "refusals",
    "completions",
    "sharing_events",
    "credits_used",
    "positive_messages",
    "loved_messages",
    "negative_messages",
    "repeated_prompts",
)
EARLIEST = ("first_event_at",)
LATEST = (
    "last_event_at",
    "last_message_at",
    "last_success_at",
    "last_failure_at",
    "last_refusal_at",
)

# --- Folding --------------------------------------------------------------------------------


def folded(days: Iterable[TableRow], catalogue: Catalogue) -> TableRow:
    """Several days of one conversation and user as one, with what follows from it."""
    rows = sorted(days, key=lambda row: row["date"])
    fold: TableRow = {name: sum(row[name] for row in rows) for name in SUMMED}
    for names, choose in ((EARLIEST, min), (LATEST, max)):
        for name in names:
            moments = [row[name] for row in rows if row[name] is not None]
            fold[name] = choose(moments) if moments else None
    for name in ("use_case_messages", "tools_used"):
        fold[name] = canonical(json_sums(row[name] for row in rows))
    errors = [row["last_error_type"] for row in rows if row["last_failure_at"] is not None]
    said = [row["first_message"] for row in rows if row["first_message"] is not None]
    requests = [text for row in rows for text in row["feature_requests"]]
    fold["active_days"] = len(rows)
    fold["last_error_type"] = errors[-1] if errors else None
    fold["first_message"] = said[0] if said else None
    fold["feature_requests"] = requests[:MOST_REQUESTS]
    fold["completion_status"] = status_of(fold)
    fold["blocker_reason"] = blocker_of(fold)
    fold["user_satisfaction_signal"] = satisfaction_of(fold)
    fold["extracted_use_case"] = use_case_of(fold["use_case_messages"], catalogue)
    return fold


def status_of(fold: TableRow) -> str:
    """`completed`, `blocked_by_credits` or `abandoned`."""
    success, failure = fold["last_success_at"], fold["last_failure_at"]
    if fold["completions"]:
        return "completed"
    if fold["creations"] and (failure is None or failure < success):
        return "completed"
    if fold["refusals"] and (success is None or success <= fold["last_refusal_at"]):
        return "blocked_by_credits"
    return "abandoned"


def blocker_of(fold: TableRow) -> str | None:
    """What a conversation that did not come to its end stopped at."""
    success, failure = fold["last_success_at"], fold["last_failure_at"]
    if fold["completion_status"] == "completed":
        return None
    if fold["completion_status"] == "blocked_by_credits":
        return "credits"
    if failure is not None and (success is None or success <= failure):
        return str(fold["last_error_type"])
    is_unanswered = fold["messages"] == fold["user_messages"] > 0
    return "no_reply" if is_unanswered and fold["tool_calls"] == 0 else None


def satisfaction_of(fold: TableRow) -> int:
    """From 0 to 10."""
    signal: int = 5
    signal += 2 * (fold["completion_status"] == "completed")
    signal += fold["positive_messages"] > 0
    signal += fold["loved_messages"] > 0
    signal -= 2 * (fold["negative_messages"] > 0)
    signal -= min(3, fold["failures"] - fold["refusals"])
    signal -= fold["repeated_prompts"] > 0
    signal -= fold["blocker_reason"] not in (None, "credits")
    return int(max(0, min(10, signal)))


def use_case_of(messages: str | Mapping[str, int], catalogue: Catalogue) -> str | None:
    """The use case with most user messages; `other` only where no named one has any."""
    counts = json_sums([messages]) if isinstance(messages, str) else messages
    best = max(catalogue.use_cases, key=lambda name: counts.get(name, 0))
    if counts.get(best, 0):
        return best
    return OTHER if counts.get(OTHER, 0) else None


# --- Rows -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stretch:
    """The active dates of one row; `is_continuation` where no silence comes before it."""

    dates: list[date]
    is_continuation: bool


def stretches_of(active: Iterable[date]) -> list[Stretch]:
    """The rows into which the active dates of a conversation and user are cut."""
    ordered = sorted(set(active))
    stretches: list[Stretch] = []
    for day in ordered:
        ago = {(day - other).days for other in ordered if other < day}
        is_resumed = ago.isdisjoint(range(1, 8))
        is_first_of_week = not any(back <= day.weekday() for back in ago)
        is_old = not ago.isdisjoint(range(8, 15))
        if is_resumed or (is_first_of_week and is_old):
            stretches.append(Stretch([day], not is_resumed))
        else:
            stretches[-1].dates.append(day)
    return stretches


def by_conversation(rows: Iterable[TableRow]) -> dict[tuple[str, str], list[TableRow]]:
    """Rows by conversation and user."""
    found: dict[tuple[str, str], list[TableRow]] = defaultdict(list)
    for row in rows:
        found[row["conversation_id"], row["user_id"]].append(row)
    return found


@dataclass(frozen=True)
class Conversation:
    """One row's key and what its days fold into."""

    conversation_id: str
    user_id: str
    stretch: Stretch
    fold: TableRow

    @property
    def begins(self) -> date:
        return self.stretch.dates[0]

    @property
    def key(self) -> str:
        return f"{self.conversation_id}_{self.user_id}_{self.begins:%Y%m%d}"

    @property
    def identity(self) -> TableRow:
        return {
            "date": self.begins,
            "conversation_id": self.conversation_id,
            "user_id": self.user_id,
        }


def conversations_of(daily: Iterable[TableRow], catalogue: Catalogue) -> list[Conversation]:
    """Every row of every conversation."""
    found = []
    for (conversation_id, user_id), rows in by_conversation(daily).items():
        by_date = {row["date"]: row for row in rows}
        for stretch in stretches_of(by_date):
            fold = folded([by_date[day] for day in stretch.dates], catalogue)
            found.append(Conversation(conversation_id, user_id, stretch, fold))
    return found


def conversations_table(conversations: Iterable[Conversation]) -> list[TableRow]:
    """One row per day on which it begins, conversation and user."""
    return [
        {
            **each.identity,
            "conversation_key": each.key,
            "is_continuation": each.stretch.is_continuation,
            "started_at": each.fold["first_event_at"],
            "last_message_at": each.fold["last_message_at"],
            "last_event_at": each.fold["last_event_at"],
            "active_days": each.fold["active_days"],
            "message_count": each.fold["messages"],
            "user_messages": each.fold["user_messages"],
            "credits_used": each.fold["credits_used"],
            "first_intent": each.fold["first_message"],
            "tools_used": each.fold["tools_used"],
            "tool_calls": each.fold["tool_calls"],
            "failures": each.fold["failures"],
            "completion_status": each.fold["completion_status"],
            "user_satisfaction_signal": each.fold["user_satisfaction_signal"],
            "extracted_use_case": each.fold["extracted_use_case"],
            "blocker_reason": each.fold["blocker_reason"],
            "feature_requests": each.fold["feature_requests"],
        }
        for each in conversations
    ]


def cluster_of(first_intent: str | None, use_case: str | None, catalogue: Catalogue) -> str:
    """What is done, and to what."""
    normal = normal_form(first_intent or "")
    actions = (name for name, words in catalogue.actions.items() if occurs(words, normal))
    return f"{next(actions, 'ask')}/{use_case or OTHER}"


def intents_table(conversations: Iterable[Conversation], catalogue: Catalogue) -> list[TableRow]:
    """One row per row of `conversations`, by rules."""
    table = []
    for each in conversations:
        fold = each.fold
        cluster = cluster_of(fold["first_message"], fold["extracted_use_case"], catalogue)
        blocker = fold["blocker_reason"]
        table.append(
            {
                **each.identity,
                "conversation_key": each.key,
                "primary_intent": cluster.replace("/", " ").replace("_", " "),
                "blockers": [] if blocker is None else [blocker],
                "feature_requests": fold["feature_requests"],
                "satisfaction_signal": fold["user_satisfaction_signal"],
                "cluster": cluster,
                "method": "rules",
                "model": None,
                "prompt_version": None,
                "input_hash": None,
            }
        )
    return table


# --- Windows --------------------------------------------------------------------------------


def between(rows: Iterable[TableRow], last: date, days: int) -> list[TableRow]:
    """The rows of so many days up to a last one."""
    first = last - timedelta(days=days - 1)
    return [row for row in rows if first <= row["date"] <= last]


def window_folds(rows: Iterable[TableRow], catalogue: Catalogue) -> dict[tuple[str, str], TableRow]:
    """The conversations of a window's days, each folded over them, by conversation and user."""
    return {key: folded(own, catalogue) for key, own in by_conversation(rows).items()}


def percent(part: int, whole: int) -> float | None:
    """From 0 to 100; None of nothing."""
    return 100 * part / whole if whole else None


def quotient(total: int, count: int) -> float | None:
    """Total by count; None where there is none."""
    return total / count if count else None


def ranked(counts: Mapping[str, int], last: Mapping[str, date]) -> Sequence[str]:
    """Names by count and then by last date, both descending, then by name."""
    return sorted(counts, key=lambda name: (-counts[name], -last[name].toordinal(), name))
