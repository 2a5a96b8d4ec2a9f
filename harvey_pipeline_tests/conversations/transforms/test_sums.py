"""The sums of each day's events, by hand, and against a plain loop over events."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvey_pipeline.conversations.tables.sums import (
    CONVERSATION_DAILY,
    TOOL_DAILY,
    TRAIT_DAILY,
    USER_DAILY,
)
from harvey_pipeline.conversations.transforms.sums import (
    SESSIONS,
    conversation_sums,
    sum_conversations,
    sum_tools,
    sum_traits,
    sum_users,
    sums_by_block,
    tool_sums,
    trait_sums,
)
from harvey_pipeline.landing.sums import EventSums, SumsOfRows
from harvey_pipeline.warehouse.table import Table
from harvey_pipeline_tests.conversations.raw_events import (
    CATALOGUE,
    DAY,
    Event,
    at,
    call,
    event,
    failed,
    raw_events,
    said,
)
from harvey_pipeline_tests.landing.division import assert_merges

NEXT = DAY + timedelta(days=1)
Rows = list[dict[str, Any]]


def collected(table: Table, pieces: Iterator[pl.LazyFrame], *order: str) -> Rows:
    """The rows of some pieces, of the table's columns and valid by its schema."""
    frame = pl.concat([table.empty().collect(), *(piece.collect() for piece in pieces)])
    assert dict(frame.schema) == table.polars_schema
    table.schema.validate(frame)
    return frame.sort(*(order or table.key)).to_dicts()


def conversations(*events: Event, days: Sequence[date] = (DAY,)) -> Rows:
    sums = SumsOfRows(conversation_sums(CATALOGUE), raw_events(*events))
    return collected(CONVERSATION_DAILY, sum_conversations(sums, days))


def users(*events: Event, days: Sequence[date] = (DAY,)) -> Rows:
    raw = raw_events(*events)
    summed = SumsOfRows(conversation_sums(CATALOGUE), raw)
    of_conversations = pl.concat([CONVERSATION_DAILY.empty(), *sum_conversations(summed, days)])
    sessions = SumsOfRows(SESSIONS, raw)
    return collected(USER_DAILY, sum_users(of_conversations, sessions, days))


def tools(*events: Event, days: Sequence[date] = (DAY,)) -> Rows:
    sums = SumsOfRows(tool_sums(CATALOGUE), raw_events(*events))
    return collected(TOOL_DAILY, sum_tools(sums, days))


def traits(*events: Event, days: Sequence[date] = (DAY,)) -> dict[tuple[str, str], int]:
    sums = SumsOfRows(trait_sums(CATALOGUE), raw_events(*events))
    rows = collected(TRAIT_DAILY, sum_traits(sums, days))
    return {(row["kind"], row["name"]): row["times"] for row in rows}


# --- conversations -------------------------------------------------------------------------------


def test_a_conversation_by_hand() -> None:
    (row,) = conversations(
        said("  Please draft\na contract for ann@x.com  "),  # minute 0
        event("message", {"role": "assistant", "message": "I love this"}),
        call("write_memo", credits_consumed=3),
        call("share_link", success=False, credits_consumed=2),
        call("search", success=None),
        failed({"code": "Out of credits: 12"}),  # minute 5
        said("Great, I love it. Can you add footnotes?"),
        said("great i LOVE it can you add footnotes"),
        said("this is wrong"),
        event("completion"),  # minute 9
    )
    assert row == {
        "date": DAY,
        "conversation_id": "c1",
        "user_id": "u1",
        "events": 10,
        "messages": 5,
        "user_messages": 4,
        "tool_calls": 3,
        "successful_calls": 1,
        "creations": 1,
        "attempts": 4,
        "failures": 2,
        "refusals": 1,
        "completions": 1,
        "sharing_events": 1,
        "credits_used": 5,
        "positive_messages": 2,
        "loved_messages": 2,
        "negative_messages": 1,
        "repeated_prompts": 1,
        "use_case_messages": '{"contract_review":1,"drafting":1,"other":3}',
        "tools_used": '{"search":1,"share_link":1,"write_memo":1}',
        "first_event_at": at(0),
        "last_event_at": at(9),
        "last_message_at": at(8),
        "last_success_at": at(2),
        "last_failure_at": at(5),
        "last_refusal_at": at(5),
        "last_error_type": "out of credits #",
        "first_message": "Please draft a contract for <email>",
        "feature_requests": [
            "Great, I love it. Can you add footnotes?",
            "great i LOVE it can you add footnotes",
        ],
    }


def test_where_there_is_nothing_there_is_null_or_nothing() -> None:
    (row,) = conversations(event("completion"))
    assert {name for name, value in row.items() if value is None} == {
        "last_message_at",
        "last_success_at",
        "last_failure_at",
        "last_refusal_at",
        "last_error_type",
        "first_message",
    }
    assert (row["feature_requests"], row["tools_used"], row["use_case_messages"]) == (
        [],
        "{}",
        "{}",
    )
    assert (row["events"], row["completions"], row["user_messages"]) == (1, 1, 0)


def test_no_events_have_no_rows() -> None:
    assert (conversations(), users(), tools(), traits()) == ([], [], [], {})


def test_of_events_at_the_same_time_the_ids_decide() -> None:
    # By code point Z comes before a, and 10 before 9.
    same = {"timestamp": at(1)}
    (row,) = conversations(
        said("second, can you add", id="a", **same),
        said("first, can you add", id="Z", **same),
        failed("nine", id="9", **same),
        failed("ten", id="10", **same),
        failed("early", id="z", timestamp=at(0)),
    )
    assert row["first_message"] == "first, can you add"
    assert row["feature_requests"] == ["first, can you add", "second, can you add"]
    assert row["last_error_type"] == "nine"


def test_the_first_message_is_one_that_shows_something() -> None:
    (row,) = conversations(said(" \n "), event("message"), said("!"), said("later"))
    assert row["first_message"] == "!"
    assert (row["user_messages"], row["repeated_prompts"]) == (4, 0)


def test_of_feature_requests_the_first_five_are_kept() -> None:
    (row,) = conversations(*(said(f"I wish {n}") for n in "abcdef"))
    assert row["feature_requests"] == [f"I wish {n}" for n in "abcde"]


def test_each_user_and_day_is_its_own() -> None:
    rows = conversations(
        said("a"),
        said("b", user_id="u2"),
        said("c", conversation_id="c2"),
        said("d", timestamp=at(1, NEXT), drop_date=NEXT),
        days=(DAY, NEXT),
    )
    shown = [
        (row["date"], row["conversation_id"], row["user_id"], row["first_message"]) for row in rows
    ]
    assert shown == [
        (DAY, "c1", "u1", "a"),
        (DAY, "c1", "u2", "b"),
        (DAY, "c2", "u1", "c"),
        (NEXT, "c1", "u1", "d"),
    ]  # fmt: skip


def test_late_events_count_on_their_date_and_once() -> None:
    later = {"drop_date": NEXT, "timestamp": at(5)}
    some = (
        said("first", id="x", timestamp=at(5)),
        said("again", id="x", line_number=9, **later),
        said("late", id="y", line_number=10, **later),
        # The same id on another date is another event.
        said("other", id="x", line_number=11, drop_date=NEXT, timestamp=at(5, NEXT)),
    )
    assert [row["events"] for row in conversations(*some, days=(DAY, NEXT))] == [2, 1]
    assert [row["events"] for row in users(*some)] == [2]
    assert traits(said("one two", id="x"), said("one two", id="x", **later)) == {
        ("prompt", "one two"): 1
    }


def test_tools_stand_in_the_order_of_code_points_and_are_escaped() -> None:
    names = ("b", "a", "😀", "～", 'q"\\', "a", "c\x00\t")
    (row,) = conversations(*(call(name) for name in names), call(None))
    expected = dict(sorted(Counter((*names, "unknown")).items()))
    assert row["tools_used"] == json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    assert list(json.loads(row["tools_used"]))[-2:] == ["～", "😀"]


HARD = (
    "שלום\u200f עולם",
    "e\u0301",
    "😀" * 3_000,
    "a\u2028b\u2029c",
    "a\x00b",
    "x" * 1_000_000,
    "‮drowssap",
)


@pytest.mark.parametrize("text", HARD)
def test_hard_texts_go_all_the_way(text: str) -> None:
    some = (said(f"can you add {text}"), failed(text), call(text, {"style": text}))
    (row,) = conversations(*some)
    assert row["first_message"] == f"can you add {text}"[:200]
    assert row["feature_requests"] == [row["first_message"]]
    assert json.loads(row["tools_used"]) == {text: 1}
    assert len(tools(*some)) == 2
    assert ("preference", f"style={text[:50].lower()}") in traits(*some)
    assert users(*some)[0]["events"] == 3


# --- users ---------------------------------------------------------------------------------------


def test_a_user_by_hand() -> None:
    (row,) = users(
        said("I love this"),
        call("write", conversation_id="c2", credits_consumed=4),
        failed("no credit", conversation_id="c2"),
        event("completion", conversation_id="c3"),
    )
    assert row == {
        "date": DAY,
        "user_id": "u1",
        "conversations": 3,
        "events": 4,
        "messages": 1,
        "user_messages": 1,
        "tool_calls": 1,
        "successful_calls": 1,
        "creations": 1,
        "attempts": 2,
        "failures": 1,
        "refusals": 1,
        "completions": 1,
        "sharing_events": 0,
        "credits_used": 4,
        "loved_messages": 1,
        "sessions": 1,
        "session_seconds": 180,
        "first_event_at": at(0),
        "last_event_at": at(3),
    }


@pytest.mark.parametrize(
    ("minutes", "sessions", "seconds"),
    [
        ([10], 1, 0),
        ([10, 40], 1, 1800),
        ([10, 40 + 1 / 60_000_000], 2, 0),
        ([10, 40, 70, 101], 2, 3600),
        ([0, 0, 0], 1, 0),
        # 59.9 s and 59.9 s are 59 s each.
        ([0, 59.9 / 60, 100, 100 + 59.9 / 60], 2, 118),
        ([23 * 60 + 59, 24 * 60 - 1 / 60], 1, 59),
    ],
)
def test_sessions(minutes: list[float], sessions: int, seconds: int) -> None:
    some = [said("a", timestamp=at(one), conversation_id=f"c{one}") for one in reversed(minutes)]
    (row,) = users(*some)
    assert (row["sessions"], row["session_seconds"]) == (sessions, seconds)


def test_sessions_end_at_midnight_and_are_a_users_own() -> None:
    rows = users(
        said("a", timestamp=at(1439)),
        said("a", timestamp=at(1439.5), user_id="u2"),
        said("a", timestamp=at(1, NEXT), drop_date=NEXT),
        days=(DAY, NEXT),
    )
    shown = [(row["date"], row["user_id"], row["sessions"], row["session_seconds"]) for row in rows]
    assert shown == [(DAY, "u1", 1, 0), (DAY, "u2", 1, 0), (NEXT, "u1", 1, 0)]


# --- tools and traits ----------------------------------------------------------------------------


def test_tools_by_hand() -> None:
    rows = tools(
        call("search", credits_consumed=1),
        call("search", success=None, credits_consumed=2),
        call("search", success=False, credits_consumed=4),
        event("tool_call", {"error": "Boom 1"}, tool_name="search", success=False),
        event("error", {"error": "boom 22", "tool": "Search"}, credits_consumed=8),
        event("message", {"error": "odd"}, success=False),
        said("no attempt", credits_consumed=16),
        call(None),
    )
    shown = [tuple(row.values())[2:] for row in rows]
    assert shown == [
        ("none", "odd", 0, 0, 1, 0),
        ("search", "", 2, 1, 0, 3),
        ("search", "boom #", 1, 0, 2, 8),
        ("search", "unknown", 1, 0, 1, 4),
        ("unknown", "", 1, 1, 0, 0),
    ]


def test_prompts_have_two_words_and_are_cut() -> None:
    long = "ab " * 100
    found = traits(
        said("Draft it!"),
        said("draft   IT"),
        said("draft"),
        said(""),
        said(long + "one"),
        said(long + "two"),
        event("message", {"role": "assistant", "message": "draft it"}),
    )
    # 200 characters are 66 times "ab " and "ab".
    assert found == {("prompt", "draft it"): 2, ("prompt", "ab " * 66 + "ab"): 2}


def test_preferences_are_texts_of_tool_calls() -> None:
    found = traits(
        call(params={"style": " Formal ", "tone": "DRY", "colour": "red"}),
        call(params={"style": "formal", "tone": " ", "length": 5}, success=False),
        call(params={"style": "x" * 51}),
        call(params={"style": "a=b", "format": ""}),
        call(params=["style"]),
        event("error", {"params": {"style": "formal"}}),
    )
    assert found == {
        ("preference", "style=formal"): 2,
        ("preference", "tone=dry"): 1,
        ("preference", "style=" + "x" * 50): 1,
        ("preference", "style=a=b"): 1,
    }


def test_without_preference_keys_there_are_prompts() -> None:
    bare = replace(CATALOGUE, preference_keys=())
    some = raw_events(said("draft it"), call(params={"style": "dry"}))
    assert [
        row["name"]
        for row in collected(TRAIT_DAILY, sum_traits(SumsOfRows(trait_sums(bare), some), [DAY]))
    ] == ["draft it"]


# --- blocks, and a plain loop --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [[0], [1], [2, 3]]),
        (3, [[0, 1], [2, 3]]),
        (4, [[0, 1, 2, 3]]),
    ],
)
def test_a_block_holds_as_many_days_as_fit(most: int, expected: list[list[int]]) -> None:
    # Two events, one, one, none.
    days = [DAY + timedelta(days=offset) for offset in range(4)]
    some = [
        said("a", timestamp=at(0, days[place]), drop_date=days[place]) for place in (0, 0, 1, 2)
    ]
    sums = SumsOfRows(SESSIONS, raw_events(*some))
    blocks = list(sums_by_block(sums, days, most))
    assert [[(day - DAY).days for day in block] for block, _ in blocks] == expected
    for block, sessions in blocks:
        assert set(sessions.collect()["date"]) == set(block) - {days[3]}


TEXTS = st.sampled_from(
    ("", "hi", "Hi!", "draft it", "DRAFT it", "I love this", "can you add x", "no credit", "wrong")
)
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(("user", " USER", "assistant", "", 5)),
        "message": TEXTS,
        "tool": st.sampled_from(("", "Gen", "share_x", 1)),
        "error": TEXTS | st.fixed_dictionaries({}, optional={"code": TEXTS, "message": TEXTS}),
        "params": st.dictionaries(st.sampled_from(("style", "tone", "x")), TEXTS | st.none()),
    },
)


def on_its_day(one: dict[str, Any]) -> Event:
    return {**one, "drop_date": one["timestamp"].date()}


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event_type": st.sampled_from(("message", "tool_call", "error", "completion")),
            "content": st.none() | CONTENTS.map(json.dumps),
            "conversation_id": st.sampled_from(("c1", "c2")),
            "user_id": st.sampled_from(("u1", "u2")),
            "timestamp": st.integers(0, 3000).map(lambda seconds: at(seconds * 1.1, DAY)),
            "tool_name": st.sampled_from((None, "search", "write_memo")),
            "success": st.sampled_from((None, True, False)),
            "credits_consumed": st.sampled_from((None, 0, 7)),
        }
    ).map(on_its_day),
    max_size=12,
)


def normal(text: str) -> str:
    return " ".join("".join(one if one.isalnum() else " " for one in text.lower()).split())


class Plain:
    """An event, read one key at a time."""

    def __init__(self, one: Event, number: int) -> None:
        self.at: datetime = one["timestamp"]
        self.order = (self.at, f"e{number:03}")
        self.user, self.conversation = one["user_id"], one["conversation_id"]
        content = json.loads(one["content"] or "{}")
        kind = one["event_type"]
        self.is_call = kind == "tool_call"
        self.is_failed = kind == "error" or one["success"] is False
        self.is_success = self.is_call and one["success"] is True
        role = content.get("role")
        role = role.strip(" ").lower() if isinstance(role, str) else ""
        self.is_message = kind == "message"
        self.is_user = self.is_message and role in ("", "user")
        self.text = normal(content.get("message", "")) if self.is_user else ""
        error = content.get("error", "")
        if isinstance(error, dict):
            error = error.get("code", error.get("message", ""))
        self.error = (normal(error) or "unknown") if self.is_failed else ""
        tool = content.get("tool")
        named = tool.lower() if isinstance(tool, str) else ""
        self.tool = one["tool_name"] or named or ("unknown" if self.is_call else "none")
        self.credits = one["credits_consumed"] or 0
        params = content.get("params", {}) if self.is_call else {}
        self.preferences = [
            f"{key}={value.lower()}" for key, value in params.items() if value and key != "x"
        ]

    def has(self, *keywords: str) -> bool:
        return self.is_user and any(f" {one}" in f" {self.text}" for one in keywords)


def grouped(events: Sequence[Plain], key: Callable[[Plain], Any]) -> dict[Any, list[Plain]]:
    groups = defaultdict(list)
    for one in sorted(events, key=lambda one: one.order):
        groups[key(one)].append(one)
    return groups


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_sums_are_those_of_a_plain_loop(some: list[Event]) -> None:
    days = [DAY + timedelta(days=offset) for offset in range(3)]
    read = [Plain(one, number) for number, one in enumerate(some)]
    found = conversations(*some, days=days)
    by_conversation = grouped(read, lambda one: (one.at.date(), one.conversation, one.user))
    assert {(row["date"], row["conversation_id"], row["user_id"]) for row in found} == set(
        by_conversation
    )
    for row in found:
        group = by_conversation[row["date"], row["conversation_id"], row["user_id"]]
        fails = [one for one in group if one.is_failed]
        texts = [one.text for one in group if one.text]
        assert row["events"] == len(group)
        assert row["user_messages"] == sum(one.is_user for one in group)
        assert row["attempts"] == sum(one.is_call or one.is_failed for one in group)
        assert row["refusals"] == sum("no credit" in one.error for one in fails)
        assert row["creations"] == sum(
            one.is_success and one.tool in ("gen", "write_memo") for one in group
        )
        assert row["sharing_events"] == sum(one.is_call and one.tool == "share_x" for one in group)
        assert row["loved_messages"] == sum(one.has("i love this") for one in group)
        assert row["negative_messages"] == sum(one.has("wrong") for one in group)
        assert row["repeated_prompts"] == len(texts) - len(set(texts))
        assert row["last_error_type"] == (fails[-1].error if fails else None)
        assert json.loads(row["tools_used"]) == Counter(one.tool for one in group if one.is_call)
        assert sum(json.loads(row["use_case_messages"]).values()) == row["user_messages"]
    for row in users(*some, days=days):
        group = grouped(read, lambda one: (one.at.date(), one.user))[row["date"], row["user_id"]]
        assert row["conversations"] == len({one.conversation for one in group})
        assert row["credits_used"] == sum(one.credits for one in group)
        gaps = [later.at - one.at for one, later in pairwise(group)]
        assert row["sessions"] == 1 + sum(gap > timedelta(minutes=30) for gap in gaps)
    attempts = [one for one in read if one.is_call or one.is_failed]
    by_tool = grouped(attempts, lambda one: (one.at.date(), one.user, one.tool, one.error))
    assert {tuple(row.values()) for row in tools(*some, days=days)} == {
        (
            *key,
            sum(one.is_call for one in group),
            sum(one.is_success for one in group),
            sum(one.is_failed for one in group),
            sum(one.credits for one in group),
        )
        for key, group in by_tool.items()
    }
    expected = Counter(("prompt", one.text) for one in read if " " in one.text)
    expected += Counter(("preference", name) for one in read for name in one.preferences)
    found_traits = Counter[tuple[str, str]]()
    sums = SumsOfRows(trait_sums(CATALOGUE), raw_events(*some))
    for row in collected(TRAIT_DAILY, sum_traits(sums, days)):
        found_traits[row["kind"], row["name"]] += row["times"]
    assert found_traits == expected


@pytest.mark.long
@pytest.mark.parametrize(
    ("sums", "key"),
    [
        pytest.param(SESSIONS, ["date", "user_id", "begins"], id="sessions"),
        pytest.param(conversation_sums(CATALOGUE), CONVERSATION_DAILY.key, id="conversations"),
        pytest.param(tool_sums(CATALOGUE), TOOL_DAILY.key, id="tools"),
        pytest.param(trait_sums(CATALOGUE), TRAIT_DAILY.key, id="traits"),
    ],
)
@settings(max_examples=30, deadline=None)
@given(some=EVENTS, draw=st.data())
def test_sums_of_parts_merge_to_those_of_all(
    sums: EventSums, key: list[str], some: list[Event], draw: st.DataObject
) -> None:
    assert_merges(sums, key, raw_events(*some).collect(), draw)


def test_a_session_is_one_whichever_of_its_moments_are_known_first() -> None:
    """Guards against a gap that is measured from the session before, where one still goes on."""
    moments = [0, 20, 40, 60, 80, 100]
    events = raw_events(*(event(timestamp=at(minute)) for minute in [*moments, 131])).collect()
    even = events.filter(pl.col("timestamp").dt.minute() % 40 == 0)
    parts = [events.join(even, on="id", how="anti"), even]
    found = SESSIONS.merge(pl.concat(SESSIONS.partial(part.lazy()) for part in parts)).collect()
    assert found.sort("begins").select("begins", "ends").rows() == [
        (at(0), at(100)),
        (at(131), at(131)),
    ]
