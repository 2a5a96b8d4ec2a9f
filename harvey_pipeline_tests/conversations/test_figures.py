"""Figures worked out by hand, which pin the reference itself."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvey_pipeline_tests.conversations.oracle import (
    Tables,
    conversations,
    daily,
    expected_tables,
    marts,
    reading,
    sources,
    tables_of_events,
    users,
)
from harvey_pipeline_tests.conversations.oracle.catalogue import DEFAULT, Catalogue
from harvey_pipeline_tests.conversations.oracle.reading import Event
from harvey_pipeline_tests.oracle.history import History, Version
from harvey_pipeline_tests.oracle.values import TableRow

D = date(2024, 6, 3)
"""A Monday."""
NOON = datetime(2024, 6, 3, 12)


def ago(days: int) -> date:
    return D - timedelta(days=days)


def after(days: int) -> date:
    return D + timedelta(days=days)


class Sender:
    """Makes events, each with the next id, a minute after the one before."""

    def __init__(self, user_id: str = "u", conversation_id: str = "c") -> None:
        self.user_id = user_id
        self.conversation_id = conversation_id
        self.count = 0

    def event(
        self, event_type: str, content: Mapping[str, Any] | None = None, **said: Any
    ) -> Event:
        self.count += 1
        row = {
            "event_id": f"{self.user_id}{self.count:03}",
            "conversation_id": self.conversation_id,
            "user_id": self.user_id,
            "timestamp": NOON + timedelta(minutes=self.count),
            "event_type": event_type,
            "content": None if content is None else daily.canonical(content),
            "tool_name": None,
            "success": None,
            "credits_consumed": None,
        }
        assert said.keys() <= row.keys()
        return Event(row | said, DEFAULT)

    def message(self, text: str, **said: Any) -> Event:
        return self.event("message", {"message": text}, **said)

    def call(self, tool: str, success: bool | None = True, **said: Any) -> Event:
        return self.event("tool_call", None, tool_name=tool, success=success, **said)

    def failure(self, error: Any, **said: Any) -> Event:
        return self.event("error", {"error": error}, **said)


def message(text: str) -> Event:
    return Sender().message(text)


def at(event: Event, moment: datetime) -> Event:
    return replace(event, said=event.said | {"timestamp": moment})


def on(event: Event, day: date) -> Event:
    return at(event, datetime.combine(day, event.at.time()))


def accounts_of(*versions: Version) -> History:
    history: History = {}
    for version in versions:
        history.setdefault(version.key, []).append(version)
    return history


def account(
    user_id: str, start: date, limit: int | None = None, end: date | None = None
) -> Version:
    attributes = {
        "email": f"{user_id}@x.example",
        "account_created_at": datetime.combine(start, datetime.min.time()),
        "credit_limit": limit,
    }
    version = Version(user_id, attributes, start)
    if end is not None:
        version.end = end
    return version


def tables_of(
    events: Iterable[Event],
    days: Sequence[date],
    *versions: Version,
    covered: Iterable[date] | None = None,
    catalogue: Catalogue = DEFAULT,
) -> Tables:
    return tables_of_events(
        sorted(events, key=lambda event: event.order),
        days,
        accounts_of(*versions),
        covered=set(days if covered is None else covered),
        catalogue=catalogue,
    )


def only(rows: Iterable[TableRow], **wanted: Any) -> TableRow:
    """The one row with some values."""
    (row,) = (row for row in rows if all(row[name] == wanted[name] for name in wanted))
    return row


# --- Section 1 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("true", True),
        ("T", True),
        ("1", True),
        ("False", False),
        ("f", False),
        ("0", False),
        ("yes", None),
        ("1.0", None),
    ],
)
def test_a_flag_is_one_of_six_words(text: str, flag: bool | None) -> None:
    assert sources.read_flag(text) is flag


@pytest.mark.parametrize(
    ("text", "is_content"),
    [
        ("{}", True),
        ('{"a": {"b": [1, null]}}', True),
        ("[1]", False),
        ('"{}"', False),
        ("5", False),
        ("{cut", False),
        ('{"a": NaN}', False),
        ("{} {}", False),
        ("{'a': 1}", False),
    ],
)
def test_content_is_a_json_object(text: str, is_content: bool) -> None:
    assert sources.read_content(text) == (text if is_content else None)


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_rows_are_rejected_repaired_and_counted_once(tmp_path: Path) -> None:
    header = "id,conversation_id,user_id,timestamp,event_type,content,success,credits_consumed\n"
    write(
        tmp_path,
        {
            "conversation_events/2024-06-03.csv": header
            + 'a,c,u,2024-06-03 10:00,message,"{""message"": ""hi""}",,\n'
            + "b,c,u,2024-06-03 10:01,TOOL_CALL ,NULL,TRUE,3.0\n"
            + "a,c,u,2024-06-03 10:02,message,,,\n"
            + ",c,u,2024-06-03,message,,,\n"
            + "d,,,,,,,\n"
            + "e,c,u,2024-06-02,chat,,,\n"
            + "f,c,u,2024-06-04,message,,,\n"
            + "g,c,u,2024-06-03 11:00,error,[],maybe,-1\n",
            "conversation_events/2024-06-04.jsonl": (
                '{"id": "b", "conversation_id": "c", "user_id": "u", "timestamp": "2024-06-03", '
                '"event_type": "tool_call", "credits_consumed": 50}\n'
                '{"id": "a", "conversation_id": "c", "user_id": "u", "timestamp": "2024-06-04", '
                '"event_type": "tool_call", "credits_consumed": 7, "content": {"tool": "X"}}\n'
                '{"id": ["h"], "conversation_id": "c", "user_id": 5, "timestamp": ["2024-06-04"], '
                '"event_type": {"a": 1}, "content": 5, "success": [true]}\n'
                "{}\n"
                "[1]\n"
            ),
        },
    )
    days = [D, after(1)]
    tables = expected_tables(tmp_path, days, D)
    assert [
        (row["line_number"], row["action"], set(row["reasons"])) for row in tables["raw.quarantine"]
    ] == [
        (4, "rejected", {"duplicate_event_id"}),
        (5, "rejected", {"missing_id"}),
        (
            6,
            "rejected",
            {
                "missing_conversation_id",
                "missing_user_id",
                "missing_timestamp",
                "missing_event_type",
            },
        ),
        (7, "rejected", {"before_start_date", "unknown_event_type"}),
        (8, "rejected", {"created_after_drop"}),
        (9, "repaired", {"unreadable_content", "unreadable_success", "unreadable_credits"}),
        (
            3,
            "rejected",
            {
                "missing_id",
                "unreadable_timestamp",
                "missing_event_type",
                "unreadable_content",
                "unreadable_success",
            },
        ),
        (
            4,
            "rejected",
            {
                "missing_id",
                "missing_conversation_id",
                "missing_user_id",
                "missing_timestamp",
                "missing_event_type",
            },
        ),
        (5, "rejected", {"not_an_object"}),
    ]
    # `b` is the first drop's; `a` of the 4th is another event than `a` of the 3rd.
    assert [
        (row["date"], row["events"], row["credits_used"])
        for row in tables["conversations.user_daily"]
    ] == [(D, 3, 3), (after(1), 1, 7)]


def test_accounts_have_a_history(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "accounts/2024-06-03.csv": (
                "user_id,email,created,credit_limit\n"
                "u,A@X.Example,2024-05-01 09:00,\nv,,2024-06-03,many\nw,w@x,,5\n"
            ),
            "accounts/2024-06-05.csv": (
                "user_id,email,created,credit_limit\n"
                "u,a@x.example,2024-05-01 09:00,50\nx,x@x,2024-06-01,0\nv,,2024-06-03,\n"
            ),
        },
    )
    days = [D, after(1), after(2)]
    tables = expected_tables(tmp_path, days, D)
    assert [
        (row["account_dim_key"], row["email"], row["credit_limit"], row["effective_end_date"])
        for row in sorted(
            tables["conversations.dim_account"], key=lambda row: row["account_dim_key"]
        )
    ] == [
        ("u_20240501", "a@x.example", None, after(1)),
        ("u_20240605", "a@x.example", 50, date(9999, 12, 31)),
        ("v_20240603", None, None, date(9999, 12, 31)),
        ("x_20240605", "x@x", 0, date(9999, 12, 31)),
    ]
    assert only(tables["raw.quarantine"], action="repaired")["reasons"] == [
        "unreadable_credit_limit"
    ]
    steps = {row["user_id"]: row for row in tables["conversations.first_steps"]}
    # The account of w was never acceptable; x is seen first on the 5th.
    assert {user_id: row["signed_up_date"] for user_id, row in steps.items()} == {
        "u": date(2024, 5, 1),
        "v": D,
        "x": after(2),
    }


def test_a_limit_that_is_not_known_is_the_default() -> None:
    accounts = accounts_of(account("u", D), account("v", D, 0), account("w", D, 7, end=after(1)))
    limits = [sources.limit_on(accounts, user, after(5)) for user in "uvwx"]
    # After a departure the last version stands.
    assert limits == [100, 0, 7, 100]
    assert sources.limit_on(accounts, "w", ago(1), 20) == 20


# --- Section 2 ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail Ann.L+x@b-c.example.com!", "mail <email>!"),
        ("a@b.c and @b.com", "a@b.c and @b.com"),
        ("call +44 (0)20 7946-0958 now", "call <number> now"),
        ("1234567 is long, 123456 is not", "<number> is long, 123456 is not"),
        ("on 2024-06-03.", "on <number>."),
        ("5551234567@host.org", "<email>"),
        ("+1234567", "<number>"),
    ],
)
def test_addresses_and_long_numbers_are_redacted(text: str, expected: str) -> None:
    assert reading.redacted(text) == expected


def test_text_is_cut_before_it_is_redacted() -> None:
    # 1,990 characters and the first ten of ` a@example.com`, which lack the rest of the address.
    assert message("y" * 1990 + " a@example.com").text == "y" * 1990 + " a@example"
    # Of ` a@b.example` the address is whole: `a@b.examp`.
    assert message("y" * 1990 + " a@b.example").text.endswith(" <email>")
    assert message("\U0001f44d" * 2001).text == "\U0001f44d" * 2000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a \t\r\n\f b ", "a b"),
        ("a\u00a0\u00a0b", "a\u00a0\u00a0b"),
        ("a" * 199 + " bc", "a" * 199 + " "),
        ("\u0001", "\u0001"),
        (" \n", ""),
    ],
)
def test_shown_text_is_one_line(text: str, shown: str) -> None:
    assert reading.shown_text(text) == shown


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Doesn't WORK!", "doesn t work"),
        ("--", ""),
        ("a_b  c", "a b c"),
        ("Stra\u00dfe \u2167 x\u00b2", "stra\u00dfe \u2177 x\u00b2"),
        ("e\u0301a", "e a"),
        ("<email> 12", "email 12"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert reading.normal_form(text) == normal


@pytest.mark.parametrize(
    ("normal", "is_there"),
    [("contracts", True), ("subcontract", False), ("a contract", True), ("", False)],
)
def test_a_keyword_begins_at_the_beginning_of_a_word(normal: str, is_there: bool) -> None:
    assert reading.occurs(["contract"], normal) == is_there


@pytest.mark.parametrize(
    ("content", "is_users"),
    [
        (None, True),
        ({"role": "  "}, True),
        ({"role": " User "}, True),
        ({"role": 5}, True),
        ({"role": "user\t"}, False),
        ({"role": "assistant"}, False),
    ],
)
def test_a_message_is_a_users_unless_it_says_otherwise(
    content: Mapping[str, Any] | None, is_users: bool
) -> None:
    assert Sender().event("message", content).is_user_message == is_users


@pytest.mark.parametrize(
    ("event_type", "tool_name", "content", "expected"),
    [
        ("tool_call", "web search", {"tool": "other"}, "web search"),
        ("tool_call", None, {"tool": " Web Search "}, "web search"),
        ("tool_call", None, {"tool": "null"}, "null"),
        ("tool_call", None, {"tool": " "}, "unknown"),
        ("tool_call", None, {"tool": 5}, "unknown"),
        ("error", None, None, "none"),
    ],
)
def test_the_tool_of_an_event(
    event_type: str, tool_name: str | None, content: Mapping[str, Any] | None, expected: str
) -> None:
    assert Sender().event(event_type, content, tool_name=tool_name).tool_name == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("Timeout after 30 s (120)", "timeout after # s #"),
        ("E42x7", "e#x#"),
        ("to a@b.example: 12345678", "to email number"),
        ({"code": "E1", "message": "m"}, "e#"),
        ({"code": 1, "message": "Gone"}, "gone"),
        ({"code": "", "message": "Gone"}, "unknown"),
        ({"detail": "x"}, "unknown"),
        (["x"], "unknown"),
        (None, "unknown"),
        (" - ", "unknown"),
        ("z" * 101, "z" * 100),
    ],
)
def test_the_type_of_an_error(error: Any, expected: str) -> None:
    assert Sender().failure(error).error_type == expected


@pytest.mark.parametrize(
    ("error", "is_refusal"),
    [
        ("You are OUT OF CREDITS", True),
        ("quota exceeded", True),
        ("accredited: nocredit", False),
        ("q" * 90 + " no credit", True),
        ("q" * 92 + " no credit", False),
        ("no 5 credit", False),
    ],
)
def test_a_refusal_is_a_failure_for_credits(error: str, is_refusal: bool) -> None:
    # 90 + 10 = 100 characters hold all of ` no credit`, 92 + 10 do not.
    assert Sender().failure(error).is_refusal == is_refusal
    assert not Sender().event("tool_call", {"error": error}, success=True).is_refusal


def test_kinds_of_events() -> None:
    sender = Sender()
    assert sender.call("image gen").is_creation
    assert sender.call("Draft-Letter").is_creation
    assert not sender.call("regenerate").is_creation
    assert not sender.call("generate", success=None).is_creation
    assert not sender.call("generate", success=None).is_failed
    assert sender.event("error", None, success=True).is_failed
    assert not sender.event("error", None, success=True).is_successful_call
    assert sender.event("completion").is_completion
    assert not sender.event("completion", None, success=False).is_completion
    assert sender.event("completion", None, success=False).is_attempt
    assert sender.call("Send-Invite", success=False).is_sharing
    assert not sender.call("referral").is_sharing
    assert sender.message("Share with my team, please").is_sharing
    assert not sender.event("error", None, tool_name="share").is_sharing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Review the NDA and draft a letter", ["contract_review", "drafting"]),
        ("Translation of case law", ["legal_research", "translation"]),
        ("hello", ["other"]),
        ("", ["other"]),
    ],
)
def test_use_cases_of_a_message(text: str, expected: list[str]) -> None:
    assert message(text).use_cases == expected


def test_the_use_case_of_many_messages() -> None:
    def use_case(messages: Mapping[str, int]) -> str | None:
        return conversations.use_case_of(messages, DEFAULT)

    assert use_case({"other": 9, "drafting": 1}) == "drafting"
    assert use_case({"drafting": 2, "compliance": 2, "translation": 1}) == "compliance"
    assert use_case({"other": 1}) == "other"
    assert use_case({}) is None


# --- Section 3 ------------------------------------------------------------------------------


def test_json_is_canonical() -> None:
    text = daily.canonical({"b": 1, "a\\": 2, 'q"': 3, "\u0001\n\u00e9": 4, "B": 5})
    assert text == '{"\\u0001\\n\u00e9":4,"B":5,"a\\\\":2,"b":1,"q\\"":3}'
    assert daily.canonical({}) == "{}"


def test_a_day_of_a_conversation() -> None:
    sender = Sender()
    events = [
        sender.message("Can you add a contract view?", credits_consumed=1),
        sender.event("message", {"role": "assistant", "message": "I love it"}),
        sender.message("can you add: a contract VIEW"),
        sender.message("  "),
        sender.message("I love this, thanks"),
        sender.call("generate", credits_consumed=5),
        sender.call("generate", success=False, credits_consumed=2),
        sender.failure("out of credits"),
        sender.call("search", success=None),
        sender.event("completion"),
    ]
    (row,) = daily.conversation_daily_table(events)

    def minute(number: int) -> datetime:
        return NOON + timedelta(minutes=number)

    assert row == {
        "date": D,
        "conversation_id": "c",
        "user_id": "u",
        "events": 10,
        "messages": 5,
        "user_messages": 4,
        "tool_calls": 3,
        "successful_calls": 1,
        "creations": 1,
        # Three calls and an error.
        "attempts": 4,
        "failures": 2,
        "refusals": 1,
        "completions": 1,
        "sharing_events": 0,
        "credits_used": 8,
        "positive_messages": 1,
        "loved_messages": 1,
        "negative_messages": 0,
        "repeated_prompts": 1,
        "use_case_messages": '{"contract_review":2,"other":2}',
        "tools_used": '{"generate":2,"search":1}',
        "first_event_at": minute(1),
        "last_event_at": minute(10),
        "last_message_at": minute(5),
        "last_success_at": minute(6),
        "last_failure_at": minute(8),
        "last_refusal_at": minute(8),
        "last_error_type": "out of credits",
        "first_message": "Can you add a contract view?",
        "feature_requests": ["Can you add a contract view?", "can you add: a contract VIEW"],
    }


def test_of_events_at_the_same_time_ids_decide_by_code_point() -> None:
    sender = Sender()
    events = [
        at(sender.message("second", event_id="9"), NOON),
        at(sender.message("first", event_id="10"), NOON),
        at(sender.failure("nine", event_id="9"), NOON),
        at(sender.failure("ten", event_id="10"), NOON),
    ]
    (row,) = tables_of(events, [D])["conversation_daily"]
    assert (row["first_message"], row["last_error_type"]) == ("first", "nine")


def test_only_five_requests_are_listed() -> None:
    sender = Sender()
    events = [sender.message(f"please add {number}") for number in range(6)]
    (row,) = tables_of(events, [D])["conversation_daily"]
    assert row["feature_requests"] == [f"please add {number}" for number in range(5)]


@pytest.mark.parametrize(
    ("seconds", "sessions"),
    [
        ([0.0], [0]),
        ([0, 1800], [1800]),
        ([0, 1800.000001], [0, 0]),
        ([0, 1.9, 1803, 1803.5], [1, 0]),
        ([0, 1800, 3600], [3600]),
    ],
)
def test_sessions_end_with_a_gap_of_more_than_half_an_hour(
    seconds: list[float], sessions: list[int]
) -> None:
    # 1803 less 1.9 is 1801.1 seconds, more than 1800.
    moments = [NOON + timedelta(seconds=each) for each in seconds]
    assert daily.sessions_of(moments) == sessions


def test_a_day_of_a_user() -> None:
    one, two = Sender(), Sender(conversation_id="d")
    events = [
        at(one.message("I love it", event_id="1"), datetime(2024, 6, 3)),
        at(two.call("share", event_id="2", credits_consumed=4), datetime(2024, 6, 3, 0, 20, 0, 1)),
        at(one.failure("x", event_id="3"), datetime(2024, 6, 3, 23, 59, 59)),
        at(one.failure("x", event_id="4"), datetime(2024, 6, 4)),
    ]
    first, second = tables_of(events, [D, after(1)])["user_daily"]
    assert first == {
        "date": D,
        "user_id": "u",
        "conversations": 2,
        "events": 3,
        "messages": 1,
        "user_messages": 1,
        "tool_calls": 1,
        "successful_calls": 1,
        "creations": 0,
        "attempts": 2,
        "failures": 1,
        "refusals": 0,
        "completions": 0,
        "sharing_events": 1,
        "credits_used": 4,
        "loved_messages": 1,
        # From midnight to 00:20, and at the day's end, which midnight cuts.
        "sessions": 2,
        "session_seconds": 1200,
        "first_event_at": datetime(2024, 6, 3),
        "last_event_at": datetime(2024, 6, 3, 23, 59, 59),
    }
    assert (second["sessions"], second["session_seconds"]) == (1, 0)


def test_a_day_of_a_tool() -> None:
    sender = Sender()
    events = [
        sender.call("a", credits_consumed=3),
        sender.call("a", success=None),
        sender.event("tool_call", {"error": "E1"}, tool_name="a", success=False),
        sender.failure("E2", tool_name="a", credits_consumed=1),
        sender.event("completion", None, success=False),
        sender.event("completion"),
    ]
    columns = ("tool_name", "error_type", "calls", "successes", "failures", "credits_used")
    rows = tables_of(events, [D])["tool_daily"]
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("a", "", 2, 1, 0, 3),
        ("a", "e#", 1, 0, 2, 1),
        ("none", "unknown", 0, 0, 1, 0),
    ]


def test_a_day_of_traits() -> None:
    sender = Sender()
    params = {"tone": " Formal ", "style": "x" * 51, "length": 5, "format": " ", "mood": "good"}
    events = [
        sender.message("ok"),
        sender.message("OK, go"),
        sender.message("ok go!"),
        sender.message("w " * 150),
        sender.event("tool_call", {"params": params}),
        sender.event("message", {"params": params, "role": "assistant", "message": "not this"}),
        sender.event("tool_call", {"params": "tone=formal"}),
    ]
    rows = tables_of(events, [D])["trait_daily"]
    # 299 characters, cut to 200: 100 times `w `.
    assert {(row["kind"], row["name"]): row["times"] for row in rows} == {
        ("prompt", "ok go"): 2,
        ("prompt", "w " * 100): 1,
        ("preference", "tone=formal"): 1,
        ("preference", "style=" + "x" * 50): 1,
    }


# --- Section 4 ------------------------------------------------------------------------------


def starts(*days: int) -> list[tuple[int, bool]]:
    """Where rows begin, of active days counted from a Monday."""
    stretches = conversations.stretches_of(after(day) for day in days)
    return [((each.dates[0] - D).days, each.is_continuation) for each in stretches]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ((0,), [(0, False)]),
        # Seven days are no silence of seven days; eight are.
        ((0, 7), [(0, False)]),
        ((0, 8), [(0, False), (8, False)]),
        # Day 7 is the second Monday, and day 14 the third: 14 days back is day 0.
        ((0, 3, 7, 10, 14), [(0, False), (14, True)]),
        # From Sunday on: the second Monday is day 8, and 8 days back is day 0.
        ((6, 7, 8, 14), [(6, False), (14, True)]),
        ((6, 7, 13, 14), [(6, False), (14, True)]),
        # Only the first active day of a week cuts: day 14 has nothing 8 to 14 days back.
        ((7, 12, 14, 15), [(7, False)]),
        ((7, 12, 14, 15, 21), [(7, False), (21, True)]),
        # A silence of twelve days, then a new week: a row of one day.
        ((0, 13, 14), [(0, False), (13, False), (14, True)]),
        ((0, 15, 16), [(0, False), (15, False)]),
    ],
)
def test_where_rows_begin(days: tuple[int, ...], expected: list[tuple[int, bool]]) -> None:
    assert starts(*days) == expected


def test_rows_are_bounded_and_need_only_the_days_near_by() -> None:
    choose = random.Random(1)
    for _ in range(100):
        share = choose.choice((0.1, 0.3, 0.7))
        active = [after(day) for day in range(70) if choose.random() < share]
        stretches = conversations.stretches_of(active)
        assert [day for each in stretches for day in each.dates] == active
        for each in stretches:
            first, last = each.dates[0], each.dates[-1]
            sunday_after_next = first + timedelta(days=13 - first.weekday())
            assert last <= sunday_after_next
            near = [
                day
                for day in active
                if first - timedelta(days=14) <= day <= first + timedelta(days=13)
            ]
            assert each in conversations.stretches_of(near)


def fold_of(*events: Event) -> TableRow:
    """A conversation's fold, of all its days."""
    rows = daily.conversation_daily_table(sorted(events, key=lambda event: event.order))
    return conversations.folded(rows, DEFAULT)


def outcome(*events: Event) -> tuple[str, str | None, int]:
    fold = fold_of(*events)
    return (fold["completion_status"], fold["blocker_reason"], fold["user_satisfaction_signal"])


def test_what_became_of_a_conversation() -> None:
    sender = Sender()
    ask = sender.message("hello")
    done = sender.event("completion")
    create = sender.call("generate")
    search = sender.call("search")
    refused = sender.failure("out of credits")
    failed = sender.failure("E1")
    later_search = sender.call("search")
    later_create = sender.call("generate")
    # 5 + 2.
    assert outcome(ask, done) == ("completed", None, 7)
    assert outcome(ask, create) == ("completed", None, 7)
    # 5 + 2 - 1 for the failure.
    assert outcome(ask, failed, later_create) == ("completed", None, 6)
    # A failure after the creation: 5 - 1 - 1 for the blocker.
    assert outcome(ask, create, failed) == ("abandoned", "e#", 3)
    assert outcome(ask, create, at(failed, create.at)) == ("abandoned", "e#", 3)
    # A refusal that a search follows blocks nothing; no creation though, so nothing is completed.
    assert outcome(ask, refused, later_search) == ("abandoned", None, 5)
    assert outcome(ask, search, refused) == ("blocked_by_credits", "credits", 5)
    assert outcome(ask, refused, at(later_search, refused.at)) == (
        "blocked_by_credits",
        "credits",
        5,
    )
    # The refusal is last, but a failure before it counts; then it is the failure that is last.
    assert outcome(ask, failed, at(refused, failed.at)) == ("blocked_by_credits", "credits", 4)
    assert outcome(refused, failed) == ("blocked_by_credits", "credits", 4)
    assert outcome(ask) == ("abandoned", "no_reply", 4)
    assert outcome(ask, search) == ("abandoned", None, 5)
    assert outcome(ask, sender.event("message", {"role": "assistant"})) == ("abandoned", None, 5)
    assert outcome(search) == ("abandoned", None, 5)
    assert outcome(sender.event("completion", None, success=False)) == ("abandoned", "unknown", 3)


def test_satisfaction_is_kept_within_bounds() -> None:
    sender = Sender()
    # 5 + 2 + 1 + 1.
    assert outcome(sender.message("I love this"), sender.event("completion"))[2] == 9
    angry = [sender.message("wrong"), sender.message("wrong")]
    failures = [sender.failure("E1") for _ in range(4)]
    # 5 - 2 - 3 - 1 - 1 = -2.
    assert outcome(*angry, *failures)[2] == 0
    # 5 - 2 - 2 - 1 for the blocker.
    assert outcome(angry[0], *failures[:2])[2] == 0
    assert outcome(angry[0], failures[0])[2] == 1


def test_days_are_folded() -> None:
    sender = Sender()
    events = [
        on(sender.message(" "), D),
        on(sender.failure("E1"), D),
        on(sender.message("please add A"), after(1)),
        *(on(sender.message(f"please add {number}"), after(2)) for number in range(5)),
        on(sender.call("search"), after(2)),
    ]
    fold = fold_of(*events)
    assert fold["active_days"] == 3
    assert fold["first_event_at"] == events[0].at
    assert fold["last_event_at"] == events[-1].at
    assert fold["last_error_type"] == "e#"
    assert fold["first_message"] == "please add A"
    assert fold["feature_requests"] == ["please add A", *(f"please add {n}" for n in range(4))]
    assert fold["use_case_messages"] == '{"other":7}'
    assert fold["tools_used"] == '{"search":1}'


def test_repeats_on_two_days_are_none() -> None:
    sender = Sender()
    first, second = sender.message("hello"), sender.message("hello")
    assert fold_of(first, second)["repeated_prompts"] == 1
    assert fold_of(first, on(second, after(1)))["repeated_prompts"] == 0


def test_a_row_of_conversations_and_its_intent() -> None:
    sender = Sender()
    events = [
        on(sender.message("Please draft an NDA and please add colours", credits_consumed=2), D),
        on(sender.failure("E1"), after(1)),
    ]
    tables = tables_of(events, [D, after(1)])
    assert tables["conversations"] == [
        {
            "date": D,
            "conversation_id": "c",
            "user_id": "u",
            "conversation_key": "c_u_20240603",
            "is_continuation": False,
            "started_at": events[0].at,
            "last_message_at": events[0].at,
            "last_event_at": events[1].at,
            "active_days": 2,
            "message_count": 1,
            "user_messages": 1,
            "credits_used": 2,
            "first_intent": "Please draft an NDA and please add colours",
            "tools_used": "{}",
            "tool_calls": 0,
            "failures": 1,
            "completion_status": "abandoned",
            # 5 - 1 - 1.
            "user_satisfaction_signal": 3,
            "extracted_use_case": "contract_review",
            "blocker_reason": "e#",
            "feature_requests": ["Please draft an NDA and please add colours"],
        }
    ]
    assert tables["intents"] == [
        {
            "date": D,
            "conversation_id": "c",
            "user_id": "u",
            "conversation_key": "c_u_20240603",
            "primary_intent": "create contract review",
            "blockers": ["e#"],
            "feature_requests": ["Please draft an NDA and please add colours"],
            "satisfaction_signal": 3,
            "cluster": "create/contract_review",
            "method": "rules",
            "model": None,
            "prompt_version": None,
            "input_hash": None,
        }
    ]


@pytest.mark.parametrize(
    ("intent", "use_case", "cluster"),
    [
        ("Find and review it", "other", "find/other"),
        ("Why?", "drafting", "explain/drafting"),
        ("hello", "drafting", "ask/drafting"),
        (None, None, "ask/other"),
    ],
)
def test_clusters(intent: str | None, use_case: str | None, cluster: str) -> None:
    assert conversations.cluster_of(intent, use_case, DEFAULT) == cluster


# --- Section 5 ------------------------------------------------------------------------------


def spend(user_id: str, amounts: Mapping[date, int]) -> list[Event]:
    sender = Sender(user_id)
    return [on(sender.call("search", credits_consumed=n), day) for day, n in amounts.items()]


def test_credits_of_a_month() -> None:
    may, june = date(2024, 5, 31), date(2024, 6, 1)
    amounts = {may: 99, june: 80, D: 9, after(1): 1, after(2): 9, after(3): 2, after(4): 1}
    events = [*spend("u", amounts), on(Sender().message("hello"), after(5))]
    rows = tables_of(events, [])["credit_exhaustion"]
    columns = ("date", "credits_used_month", "used_percent", "is_limit_reached", "is_exhausted")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        (may, 99, 99.0, False, False),
        # 80 and 89 are not near; 90 is.
        (after(1), 90, 90.0, False, False),
        (after(2), 99, 99.0, False, False),
        (after(3), 101, 101.0, True, True),
        (after(4), 102, 102.0, False, False),
    ]


def test_a_refusal_exhausts_whatever_the_limit() -> None:
    events = [Sender("u").failure("out of credit"), *spend("v", {D: 1}), *spend("w", {D: 1})]
    rows = tables_of(events, [D], account("v", D, 0), account("w", D, 1))["credit_exhaustion"]
    assert [
        (row["user_id"], row["credit_limit"], row["used_percent"], row["is_exhausted"])
        for row in rows
    ] == [("u", 100, 0.0, True), ("v", 0, None, False), ("w", 1, 100.0, True)]


def test_first_steps() -> None:
    sender = Sender()
    events = [
        on(sender.event("message", {"role": "assistant"}), D),
        on(sender.message("hello"), after(1)),
        on(sender.call("generate", success=False), after(2)),
        on(sender.call("generate"), after(3)),
        on(sender.failure("E1"), after(3)),
        on(sender.failure("no credit"), after(4)),
        on(sender.event("completion"), after(6)),
    ]
    rows = tables_of(events, [], account("u", after(2)), account("v", after(9)))["first_steps"]
    assert only(rows, user_id="u") == {
        "user_id": "u",
        "signed_up_date": D,
        "first_active_date": D,
        "first_chat_date": after(1),
        "first_tool_date": after(2),
        "first_creation_date": after(3),
        "first_exhaustion_date": after(4),
        # The creation of the 4th day was followed by a failure.
        "first_completion_date": after(6),
    }
    idle = only(rows, user_id="v")
    assert (idle["signed_up_date"], idle["first_active_date"]) == (after(9), None)


def test_a_profile() -> None:
    sender, other = Sender(), Sender(conversation_id="d")
    params = {"tone": "formal"}
    events = [
        on(sender.message("draft this letter"), ago(89)),
        on(sender.message("Draft this letter!"), ago(1)),
        on(sender.event("tool_call", {"params": params, "tool": "b"}, credits_consumed=4), ago(1)),
        on(sender.event("tool_call", {"params": params, "tool": "a"}, success=True), ago(1)),
        on(other.event("tool_call", {"params": {"tone": "short"}, "tool": "b"}), D),
        on(other.event("completion"), D),
        on(other.failure("out of credit", tool_name="z"), D),
        # Beyond the window.
        on(Sender(conversation_id="e").message("make a logo"), ago(90)),
    ]
    tables = tables_of(events, [D], account("u", ago(100), 50))
    (row,) = tables["user_profiles"]
    # The minutes of a day's events: 0 of one event, of the 2nd to the 4th 2, of the other's 1st to
    # 3rd 2; so 240 seconds of three sessions, 240 / 60 / 3.
    assert row == {
        "date": D,
        "user_id": "u",
        "email": "u@x.example",
        "created_at": datetime.combine(ago(100), datetime.min.time()),
        "signed_up_date": ago(100),
        "days_since_signup": 100,
        "total_conversations": 2,
        "total_messages": 2,
        "total_credits_used": 4,
        "active_days": 3,
        "sessions": 3,
        "last_active_at": events[6].at,
        "last_active_date": D,
        "average_session_length": pytest.approx(4 / 3, rel=1e-12),
        "completion_rate": 50.0,
        "primary_use_case": "drafting",
        "preferred_tools": ["b", "a"],
        "frequently_used_prompts": ["draft this letter"],
        "preferences": '{"tone":"formal"}',
        "credit_exhaustion_count": 1,
        "retention_cohort": "week_2",
        "activation_status": "signed_up",
        "context_summary": (
            "mainly drafting; prefers b, a; tone formal; 2 conversations in 90 days, "
            "50 % completed; last active 2024-06-03; status signed up"
        ),
    }


def test_who_has_a_profile() -> None:
    events = [on(Sender("active").message("x"), ago(89)), on(Sender("gone").message("x"), ago(90))]
    versions = (account("valid", ago(5)), account("left", ago(9), end=ago(1)))
    rows = tables_of(events, [D], *versions, account("later", after(1)))["user_profiles"]
    assert {row["user_id"] for row in rows} == {"active", "valid"}
    idle = only(rows, user_id="valid")
    assert idle["average_session_length"] is None
    assert idle["completion_rate"] is None
    assert idle["context_summary"] == "not active in 90 days; status signed up"


def trait(name: str, times: int, day: date, kind: str = "prompt") -> TableRow:
    return {"date": day, "user_id": "u", "kind": kind, "name": name, "times": times}


def test_prompts_and_preferences_are_ranked() -> None:
    prompts = [
        trait("once", 1, D),
        trait("a b", 2, ago(1)),
        trait("c d", 2, D),
        trait("b b", 2, D),
        trait("many times", 1, ago(9)),
        trait("many times", 2, ago(8)),
        trait("e e", 2, ago(2)),
        trait("f f", 2, ago(3)),
    ]
    assert users.frequent_prompts(prompts) == ["many times", "b b", "c d", "a b", "e e"]
    preferences = [
        trait("tone=formal", 2, ago(1), "preference"),
        trait("tone=short", 2, D, "preference"),
        trait("language=b=c", 2, D, "preference"),
        trait("language=a", 2, D, "preference"),
        trait("style=x", 1, D, "preference"),
    ]
    # Of the style no value is used twice.
    assert users.preferences_of([*preferences, *prompts]) == {"language": "a", "tone": "short"}


@pytest.mark.parametrize(
    ("age", "active_ages", "cohort"),
    [
        (0, [0], "day_0"),
        (13, [], "day_0"),
        (14, [0], "churned"),
        (14, [1], "day_1"),
        (13, [1], "day_1"),
        (8, [1, 6], "day_1"),
        (8, [7], "week_1"),
        (20, [13], "week_1"),
        (20, [13, 14], "week_2"),
        (99, [85], "churned"),
        (99, [86], "week_2"),
    ],
)
def test_retention_cohorts(age: int, active_ages: list[int], cohort: str) -> None:
    # On the 14th day after, the 14 days begin on the first day after.
    active = {after(one) for one in active_ages}
    assert users.retention_cohort(age, D, active, after(age)) == cohort


@pytest.mark.parametrize(
    ("age", "active_days", "creations", "first_creation", "status"),
    [
        (30, 0, 0, None, "dormant"),
        (29, 0, 0, ago(29), "first_creation"),
        (30, 0, 0, ago(29), "dormant"),
        (5, 8, 3, D, "power_user"),
        (5, 7, 3, D, "first_creation"),
        (5, 8, 2, D, "first_creation"),
        (5, 1, 0, after(1), "signed_up"),
        (99, 1, 0, None, "signed_up"),
    ],
)
def test_activation(
    age: int, active_days: int, creations: int, first_creation: date | None, status: str
) -> None:
    month = [{"creations": creations if number == 0 else 0} for number in range(active_days)]
    assert users.activation_status(age, month, first_creation, D) == status


@pytest.mark.parametrize(
    ("completed", "count", "rounded"), [(1, 8, 13), (1, 200, 1), (1, 201, 0), (2, 3, 67), (0, 1, 0)]
)
def test_the_summary_rounds_half_up(completed: int, count: int, rounded: int) -> None:
    # 12.5, 0.5, 0.4975..., 66.67 and 0 percent.
    profile: TableRow = {
        "primary_use_case": None,
        "preferred_tools": [],
        "total_conversations": count,
        "last_active_date": D,
        "activation_status": "power_user",
    }
    assert users.summary_of(profile, {}, completed) == (
        f"{count} conversations in 90 days, {rounded} % completed; last active 2024-06-03; "
        "status power user"
    )


# --- Section 6 ------------------------------------------------------------------------------


def test_tools_and_where_they_fail() -> None:
    one, two = Sender("u"), Sender("v")
    events = [
        on(one.call("a", credits_consumed=1), ago(29)),
        on(one.call("a", success=False), ago(28)),
        on(two.call("a", success=False), ago(28)),
        on(two.call("a", success=None, credits_consumed=5), D),
        on(two.failure(None, tool_name="a"), D),
        on(one.failure("E1", tool_name="b"), D),
        on(one.call("c"), ago(30)),
    ]
    tables = tables_of(events, [ago(1), D])
    assert only(tables["tool_usage"], date=D) == {
        "date": D,
        "tool_name": "a",
        "calls": 1,
        "successes": 0,
        "failures": 1,
        "success_rate": 0.0,
        "users": 1,
        "credits_used": 5,
        "calls_30d": 4,
        "users_30d": 2,
        # One success, three failures.
        "success_rate_30d": 25.0,
    }
    before = only(tables["tool_usage"], date=ago(1), tool_name="a")
    assert (before["calls"], before["success_rate"]) == (0, None)
    points = [row for row in tables["failure_points"] if row["date"] == D]
    assert points == [
        {
            "date": D,
            "tool_name": "a",
            "error_type": "unknown",
            "failure_count": 1,
            "affected_users": 1,
            "failure_count_30d": 3,
            "affected_users_30d": 2,
            "days_30d": 2,
            "is_repeated": False,
        },
        {
            "date": D,
            "tool_name": "b",
            "error_type": "e#",
            "failure_count": 1,
            "affected_users": 1,
            "failure_count_30d": 1,
            "affected_users_30d": 1,
            "days_30d": 1,
            "is_repeated": False,
        },
    ]


@pytest.mark.parametrize(
    ("users_hit", "days_hit", "is_repeated"), [(2, 3, 1), (2, 2, 0), (1, 3, 0)]
)
def test_a_failure_is_repeated_on_three_days_with_two_users(
    users_hit: int, days_hit: int, is_repeated: int
) -> None:
    events = [
        on(Sender(f"u{number % users_hit}").failure("E1", event_id=str(number)), ago(number))
        for number in range(days_hit)
    ]
    tables = tables_of(events, [D])
    assert [row["is_repeated"] for row in tables["failure_points"]] == [bool(is_repeated)]
    signal = only(tables["pmf_signals"], signal="repeated_blockers")
    assert (signal["numerator"], signal["value"]) == (is_repeated, is_repeated)
    assert signal["is_met"] is bool(is_repeated)


def test_use_cases_of_window_conversations() -> None:
    events = [
        Sender("u", "1").message("contract", credits_consumed=3),
        Sender("u", "2").message("contract"),
        Sender("v", "3").message("memo"),
        Sender("v", "4").message("hello"),
        Sender("v", "5").event("completion"),
        on(Sender("v", "6").message("contract"), ago(30)),
    ]
    events.append(at(Sender("u", "2").event("completion", event_id="z"), NOON))
    tables = tables_of(events, [D])
    assert only(tables["use_cases"], use_case="contract_review") == {
        "date": D,
        "use_case": "contract_review",
        "conversations": 2,
        "users": 1,
        # Two of the four that have a use case.
        "share_percent": 50.0,
        "completion_rate": 50.0,
        "credits_used": 3,
        # 4 of the one without a reply, 7 of the completed one.
        "avg_satisfaction": 5.5,
    }
    assert {row["use_case"] for row in tables["use_cases"]} == {
        "contract_review",
        "drafting",
        "other",
    }
    (row,) = tables["pmf_dashboard"]
    tops = [row[f"top_use_case_{place}"] for place in (1, 2, 3)]
    assert tops == ["contract_review", "drafting", None]
    assert row["top_use_case_2_percent"] == 25.0
    assert row["top_use_case_3_percent"] is None
    assert (row["conversations"], row["completion_rate"]) == (5, 40.0)
    # 4 + 7 + 4 + 4 + 7 over 5.
    assert row["avg_satisfaction"] == 26 / 5
    vision = replace(DEFAULT, vision=("drafting",))
    stated = only(
        tables_of(events, [D], catalogue=vision)["pmf_signals"], signal="use_case_mismatch"
    )
    assert (stated["numerator"], stated["denominator"], stated["value"]) == (3, 4, 75.0)
    assert (stated["is_met"], stated["is_reliable"]) == (True, False)
    unstated = only(tables["pmf_signals"], signal="use_case_mismatch")
    assert (unstated["value"], unstated["is_met"]) == (None, None)


def test_the_funnel() -> None:
    one = Sender("one")
    events = [
        on(one.message("hello"), ago(39)),
        on(one.call("generate", credits_consumed=45), D),
        # Uses a tool without ever saying a word.
        *spend("two", {D: 1}),
        on(Sender("three").message("hello"), ago(1)),
        on(Sender("four").message("hello"), after(1)),
    ]
    versions = (account("one", ago(40), 50), account("three", ago(3)), account("five", D, 0))
    tables = tables_of(events, [D], *versions)
    assert only(tables["activation_funnel"], cohort="all") == {
        "date": D,
        "cohort": "all",
        "total_users": 4,
        # One on the day after, two on the day; three came on the second day after.
        "day_1_active": 2,
        "first_chat": 2,
        "first_chat_rate": 50.0,
        "used_tool": 1,
        "used_tool_rate": 50.0,
        "created_content": 1,
        "created_content_rate": 100.0,
        "exhausted_credits": 0,
        "exhausted_credits_rate": 0.0,
        # 10 x 45 = 9 x 50.
        "high_usage": 1,
        "successful_users": 1,
    }
    month = only(tables["activation_funnel"], cohort="30d")
    steps = [month[name] for name in ("total_users", "first_chat", "used_tool", "created_content")]
    assert steps == [3, 1, 0, 0]
    assert (month["used_tool_rate"], month["created_content_rate"]) == (0.0, None)


def test_retention_is_known_once_the_period_is_over_and_covered() -> None:
    days = [after(number) for number in range(22)]
    events = [
        on(sender.message("x"), after(day))
        for name, came in {"u": (0, 1, 13), "v": (0, 7, 20), "w": (1,)}.items()
        for sender in [Sender(name)]
        for day in came
    ]
    table = tables_of(events, days, covered=set(days) - {after(14)})["retention"]
    cells = {row["period"]: row for row in table if row["date"] == D}
    assert {name: row["retained"] for name, row in cells.items()} == {
        "day_1": 1,
        "day_7": 1,
        # Not run.
        "day_30": None,
        "week_1": 2,
        # Day 14 is not covered.
        "week_2": None,
    }
    assert {row["cohort_size"] for row in cells.values()} == {2}
    assert cells["week_1"]["retention_rate"] == 100.0
    empty = only(table, date=after(5), period="day_1")
    assert (empty["cohort_size"], empty["retained"], empty["retention_rate"]) == (0, 0, None)
    assert len(table) == 5 * len(days)


def retention_cell(day: date, period: str, size: int, retained: int | None) -> TableRow:
    return {"date": day, "period": period, "cohort_size": size, "retained": retained}


def test_retention_is_pooled_over_thirty_cohorts() -> None:
    cells = [
        retention_cell(ago(6), "day_7", 1000, 1000),
        retention_cell(ago(7), "day_7", 10, 4),
        retention_cell(ago(8), "day_7", 500, None),
        retention_cell(ago(36), "day_7", 5, 3),
        retention_cell(ago(37), "day_7", 2000, 0),
        retention_cell(ago(13), "week_1", 8, 1),
        retention_cell(ago(12), "week_1", 9, 9),
    ]
    assert marts.pooled(cells, "day_7", D) == (7, 15)
    assert marts.pooled(cells, "week_1", D) == (1, 8)
    assert marts.pooled(cells, "day_30", D) == (0, 0)


def test_signals_without_anyone() -> None:
    rows = tables_of([], [D])["pmf_signals"]
    assert [(row["kind"], row["signal"], row["threshold"]) for row in rows] == [
        ("strong", "credit_exhaustion_rate", 20),
        ("strong", "day_7_retention", 40),
        ("strong", "organic_sharing", 5),
        ("strong", "love_in_conversations", 2),
        ("weak", "single_session_users", 50),
        ("weak", "no_credit_exhaustion", 0),
        ("weak", "short_conversations", 5),
        ("weak", "error_rate", 10),
        ("pivot", "repeated_blockers", 0),
        ("pivot", "unmet_requests", 10),
        ("pivot", "use_case_mismatch", 50),
    ]
    assert {row["signal"] for row in rows if row["value"] is not None} == {"repeated_blockers"}
    assert not any(row["is_met"] or row["is_reliable"] for row in rows)


def test_signals_of_twenty_users() -> None:
    events = []
    for number in range(20):
        sender = Sender(f"u{number:02}")
        events += [sender.message("x") for _ in range(5)]
        if number < 4:
            events.append(sender.failure("no credit"))
        if number == 0:
            events.append(sender.message("I love this, share with my team, please add more"))
        if number < 10:
            # Two hours on: a second session.
            events.append(on(at(sender.call("a"), NOON + timedelta(hours=3)), D))
    tables = tables_of(events, [D])
    signals = {row["signal"]: row for row in tables["pmf_signals"]}

    def told(name: str) -> tuple[Any, ...]:
        columns = ("numerator", "denominator", "value", "is_met", "is_reliable")
        return tuple(signals[name][column] for column in columns)

    # Just as many as the threshold is not more.
    assert told("credit_exhaustion_rate") == (4, 20, 20.0, False, True)
    assert told("organic_sharing") == (1, 20, 5.0, False, True)
    assert told("love_in_conversations") == (1, 20, 5.0, True, True)
    assert told("single_session_users") == (10, 20, 50.0, False, True)
    assert told("no_credit_exhaustion") == (4, 20, 4.0, False, True)
    # 20 x 5 + 1 messages.
    assert told("short_conversations") == (101, 20, 5.05, False, True)
    # Four of four errors and ten calls.
    assert told("error_rate") == (4, 14, pytest.approx(400 / 14, rel=1e-15), True, False)
    assert told("unmet_requests") == (1, 20, 5.0, False, True)
    (row,) = tables["pmf_dashboard"]
    counts = [row[f"{kind}_signals"] for kind in ("strong", "weak", "pivot")]
    # Of the weak ones the error rate is met, but of fewer than twenty.
    assert counts == [1, 0, 0]


def test_signals_below_the_threshold_are_met_where_that_is_bad() -> None:
    events = [Sender(f"u{number}").message("x") for number in range(20)]
    signals = {row["signal"]: row["is_met"] for row in tables_of(events, [D])["pmf_signals"]}
    assert signals["no_credit_exhaustion"] is True
    assert signals["short_conversations"] is True
    assert signals["single_session_users"] is True


def test_the_dashboard() -> None:
    both = [Sender("u", "team").message("x"), Sender("v", "team").message("x", credits_consumed=2)]
    events = [
        *both,
        on(Sender("w").message("x"), ago(6)),
        on(Sender("x").failure("no credit"), ago(7)),
        on(Sender("y").message("x"), ago(29)),
        on(Sender("z").message("x"), ago(30)),
    ]
    tables = tables_of(events, [D], account("v", ago(1)), covered=())
    (row,) = tables["pmf_dashboard"]
    expected = {
        "is_covered": False,
        "total_users": 6,
        "dau": 2,
        "wau": 3,
        "mau": 5,
        "dau_rate": 100 * 2 / 6,
        "stickiness": 40.0,
        # Of the day, v is of the day before.
        "new_users": 1,
        # One conversation of two users is one of each.
        "conversations": 2,
        "messages": 2,
        "credits_used": 2,
        "exhausted_users": 0,
        "exhausted_users_30d": 1,
        "average_session_length": 0.0,
        "error_rate": 100.0,
        "day_1_users": 0,
        "day_1_retained": 0,
        "day_1_retention": None,
    }
    assert {name: row[name] for name in expected} == expected


def test_the_dashboard_of_a_day_without_anyone() -> None:
    (row,) = tables_of([], [D])["pmf_dashboard"]
    assert row["is_covered"] is True
    for name in ("dau_rate", "stickiness", "average_session_length", "completion_rate"):
        assert row[name] is None
    assert row["avg_satisfaction"] is row["error_rate"] is row["top_use_case_1"] is None
