"""Section 3: sums per day, the only tables that read events."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from harvey_pipeline_tests.conversations.oracle.reading import Event
from harvey_pipeline_tests.oracle.values import TableRow

LONGEST_GAP = timedelta(minutes=30)
LONGEST_PROMPT = 200
MOST_REQUESTS = 5
SUMS = (
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
)


def canonical(value: Any) -> str:
    """JSON with its keys in order and no blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def grouped(
    events: Iterable[Event], key_of: Callable[[Event], tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[Event]]:
    """The events of each key, in their order."""
    found: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        found[key_of(event)].append(event)
    return found


def sums_of(events: Sequence[Event]) -> dict[str, int]:
    """What is counted of conversations and of users alike."""
    return {
        "events": len(events),
        "messages": sum(event.is_message for event in events),
        "user_messages": sum(event.is_user_message for event in events),
        "tool_calls": sum(event.is_tool_call for event in events),
        "successful_calls": sum(event.is_successful_call for event in events),
        "creations": sum(event.is_creation for event in events),
        "attempts": sum(event.is_attempt for event in events),
        "failures": sum(event.is_failed for event in events),
        "refusals": sum(event.is_refusal for event in events),
        "completions": sum(event.is_completion for event in events),
        "sharing_events": sum(event.is_sharing for event in events),
        "credits_used": sum(event.credits_used for event in events),
    }


def messages_with(events: Iterable[Event], keywords: Sequence[str]) -> int:
    """User messages in which a keyword occurs."""
    return sum(event.is_message_with(keywords) for event in events)


def last_at(events: Iterable[Event]) -> datetime | None:
    """When the last one was."""
    return max((event.at for event in events), default=None)


def conversation_daily_table(events: Iterable[Event]) -> list[TableRow]:
    """One row per day, conversation and user."""
    groups = grouped(events, lambda event: (event.day, event.conversation_id, event.user_id))
    return [
        {
            "date": day,
            "conversation_id": conversation_id,
            "user_id": user_id,
            **conversation_sums(own),
        }
        for (day, conversation_id, user_id), own in groups.items()
    ]


def conversation_sums(events: Sequence[Event]) -> TableRow:
    """What a day's events of a conversation and user add up to; they are in order."""
    catalogue = events[0].catalogue
    said = [event for event in events if event.is_user_message]
    normals = [event.normal for event in said if event.normal]
    failed = [event for event in events if event.is_failed]
    shown = [event.shown for event in said if event.shown]
    requests = [event.shown for event in said if event.is_message_with(catalogue.request)]
    use_cases = Counter(name for event in said for name in event.use_cases)
    tools = Counter(event.tool_name for event in events if event.is_tool_call)
    return {
        **sums_of(events),
        "positive_messages": messages_with(events, catalogue.positive),
        "loved_messages": messages_with(events, catalogue.love),
        "negative_messages": messages_with(events, catalogue.negative),
        "repeated_prompts": len(normals) - len(set(normals)),
        "use_case_messages": canonical(use_cases),
        "tools_used": canonical(tools),
        "first_event_at": events[0].at,
        "last_event_at": events[-1].at,
        "last_message_at": last_at(event for event in events if event.is_message),
        "last_success_at": last_at(event for event in events if event.is_successful_call),
        "last_failure_at": last_at(failed),
        "last_refusal_at": last_at(event for event in events if event.is_refusal),
        "last_error_type": failed[-1].error_type if failed else None,
        "first_message": shown[0] if shown else None,
        "feature_requests": requests[:MOST_REQUESTS],
    }


def sessions_of(moments: Sequence[datetime]) -> list[int]:
    """The seconds of each session, of moments in order."""
    sessions: list[list[datetime]] = []
    for moment in moments:
        if sessions and moment - sessions[-1][-1] <= LONGEST_GAP:
            sessions[-1].append(moment)
        else:
            sessions.append([moment])
    return [(each[-1] - each[0]) // timedelta(seconds=1) for each in sessions]


def user_daily_table(events: Iterable[Event]) -> list[TableRow]:
    """One row per day and user."""
    table = []
    for (day, user_id), own in grouped(events, lambda event: (event.day, event.user_id)).items():
        sessions = sessions_of([event.at for event in own])
        table.append(
            {
                "date": day,
                "user_id": user_id,
                "conversations": len({event.conversation_id for event in own}),
                **sums_of(own),
                "loved_messages": messages_with(own, own[0].catalogue.love),
                "sessions": len(sessions),
                "session_seconds": sum(sessions),
                "first_event_at": own[0].at,
                "last_event_at": own[-1].at,
            }
        )
    return table


def tool_daily_table(events: Iterable[Event]) -> list[TableRow]:
    """One row per day, user, tool and error type, of attempts."""
    groups = grouped(
        (event for event in events if event.is_attempt),
        lambda event: (event.day, event.user_id, event.tool_name, event.error_type),
    )
    return [
        {
            "date": day,
            "user_id": user_id,
            "tool_name": tool_name,
            "error_type": error_type,
            "calls": sum(event.is_tool_call for event in own),
            "successes": sum(event.is_successful_call for event in own),
            "failures": sum(event.is_failed for event in own),
            "credits_used": sum(event.credits_used for event in own),
        }
        for (day, user_id, tool_name, error_type), own in groups.items()
    ]


def traits_of(event: Event) -> list[tuple[str, str]]:
    """Kind and name of what an event tells of its user."""
    traits = [("preference", name) for name in event.preferences]
    if event.is_user_message and " " in event.normal:
        traits.append(("prompt", event.normal[:LONGEST_PROMPT]))
    return traits


def trait_daily_table(events: Iterable[Event]) -> list[TableRow]:
    """One row per day, user, kind and name."""
    times = Counter(
        (event.day, event.user_id, kind, name)
        for event in events
        for kind, name in traits_of(event)
    )
    columns = ("date", "user_id", "kind", "name")
    return [dict(zip(columns, key, strict=True)) | {"times": count} for key, count in times.items()]


def json_sums(texts: Iterable[str]) -> Mapping[str, int]:
    """The counts of several JSON objects, added up."""
    total: Counter[str] = Counter()
    for text in texts:
        total.update(json.loads(text))
    return total
